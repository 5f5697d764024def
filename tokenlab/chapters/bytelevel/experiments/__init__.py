"""The recorded experiments: ``python -m tokenlab.chapters.bytelevel.experiments <name>``.

``cuts``: prompts that end anywhere; ``infilling``: the middle of a program; ``ensembles``: several models
at once; ``tokenizations``: valid covers and all. Intervals are over files: positions of one text are no
independent draws.
"""

from tokenlab import lazily
from tokenlab.chapters.results import Experiment, Record, run_of

EXPERIMENTS = {
    "cuts": Experiment(run_of(f"{__name__}.cuts"), ("target",)),
    "infilling": Experiment(run_of(f"{__name__}.infilling"), ("target",)),
    "ensembles": Experiment(run_of(f"{__name__}.ensembles"), ("target", "other", "draft")),
    "tokenizations": Experiment(run_of(f"{__name__}.tokenizations"), ("target",)),
}

_RECORD = Record("bytelevel", EXPERIMENTS, __doc__)
load_results, main = _RECORD.load, _RECORD.main

_MEMBERS = {
    "cuts": (
        "cut_bits",
        "cut_excess",
        "cut_hits",
        "leaks",
        "measure_cuts",
        "measure_transformers_healing",
        "prompts_kept",
        "tokens_per_byte",
    ),
    "ensembles": (
        "ENSEMBLES",
        "combined_bits",
        "ensemble_bits",
        "measure_distributions",
        "recompute_ensemble",
    ),
    "infilling": ("FILLERS", "Gap", "draw_gaps", "gap_score", "measure_gaps", "similarity"),
    "texts": ("boundaries", "heldout_bytes"),
    "tokenizations": ("distribution_means", "measure_tokenization"),
}
__all__ = ["EXPERIMENTS", "load_results", "main", *(name for names in _MEMBERS.values() for name in names)]
__getattr__, __dir__ = lazily(__name__, _MEMBERS)
