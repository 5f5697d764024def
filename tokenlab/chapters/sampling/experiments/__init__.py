"""The recorded experiment: ``python -m tokenlab.chapters.sampling.experiments rules``.

Every truncation rule continues the frozen prompts.
"""

from tokenlab import lazily
from tokenlab.chapters.results import Experiment, Record, run_of

EXPERIMENTS = {"rules": Experiment(run_of(f"{__name__}.comparison"), ("target",))}

_RECORD = Record("sampling", EXPERIMENTS, __doc__)
load_results, main = _RECORD.load, _RECORD.main

_MEMBERS = {
    "comparison": (
        "METRICS", "NEW_TOKENS", "SAMPLES", "SEED", "SETTINGS", "Setting", "measure_prompts", "recompute", "rules",
        "text_noise",
    )
}  # fmt: skip
__all__ = ["EXPERIMENTS", "load_results", "main", *(name for names in _MEMBERS.values() for name in names)]
__getattr__, __dir__ = lazily(__name__, _MEMBERS)
