"""The recorded experiments: ``python -m tokenlab.chapters.transport.experiments <name>``.

``acceptance``: how often each rule accepts; ``decoding``: tokens that one call of the target gives;
``rounds``: the same for one round, computed instead of counted.
"""

from tokenlab import lazily
from tokenlab.chapters.results import Experiment, Record, run_of

EXPERIMENTS = {
    "acceptance": Experiment(run_of(f"{__name__}.acceptance"), ("target", "draft")),
    "decoding": Experiment(run_of(f"{__name__}.decoding"), ("target", "draft")),
    "rounds": Experiment(run_of(f"{__name__}.rounds"), ("target", "draft")),
}

_RECORD = Record("transport", EXPERIMENTS, __doc__)
load_results, main = _RECORD.load, _RECORD.main

_MEMBERS = {
    "acceptance": (
        "SERIES",
        "gap",
        "measure_rates",
        "measure_without_replacement",
        "rate",
        "recompute_acceptance",
    ),
    "decoding": ("WAYS", "advantage", "efficiency", "measure_texts", "recompute_texts"),
    "rounds": (
        "ROUND_WAYS",
        "Round",
        "decode_round",
        "decode_rounds",
        "draft_tree",
        "measure_rounds",
        "recompute_rounds",
        "round_advantage",
        "round_tokens",
    ),
    "steps": ("SETTINGS", "TEXT_SETTINGS", "Setting", "Steps", "file_names", "read_steps", "setting_probs"),
}
__all__ = ["EXPERIMENTS", "load_results", "main", *(name for names in _MEMBERS.values() for name in names)]
__getattr__, __dir__ = lazily(__name__, _MEMBERS)
