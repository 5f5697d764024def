"""The recorded experiments: ``python -m tokenlab.chapters.bytelevel.experiments <name>``.

``cuts``: prompts that end anywhere; ``infilling``: the middle of a program; ``ensembles``: several models
at once; ``tokenizations``: valid covers and all. Intervals are over files: positions of one text are no
independent draws.
"""

from tokenlab.chapters.bytelevel.experiments import cuts, ensembles, infilling, tokenizations
from tokenlab.chapters.bytelevel.experiments.cuts import (
    cut_bits,
    cut_excess,
    cut_hits,
    leaks,
    measure_cuts,
    measure_transformers_healing,
    prompts_kept,
    tokens_per_byte,
)
from tokenlab.chapters.bytelevel.experiments.ensembles import (
    ENSEMBLES,
    combined_bits,
    ensemble_bits,
    measure_distributions,
    recompute_ensemble,
)
from tokenlab.chapters.bytelevel.experiments.infilling import (
    FILLERS,
    Gap,
    draw_gaps,
    gap_score,
    measure_gaps,
    similarity,
)
from tokenlab.chapters.bytelevel.experiments.texts import boundaries, heldout_bytes
from tokenlab.chapters.bytelevel.experiments.tokenizations import distribution_means, measure_tokenization
from tokenlab.chapters.results import Experiment, Record

EXPERIMENTS = {
    "cuts": Experiment(cuts.run, ("target",)),
    "infilling": Experiment(infilling.run, ("target",)),
    "ensembles": Experiment(ensembles.run, ("target", "other", "draft")),
    "tokenizations": Experiment(tokenizations.run, ("target",)),
}

_RECORD = Record("bytelevel", EXPERIMENTS, __doc__)
load_results, main = _RECORD.load, _RECORD.main

__all__ = [
    "ENSEMBLES",
    "EXPERIMENTS",
    "FILLERS",
    "Gap",
    "boundaries",
    "combined_bits",
    "cut_bits",
    "cut_excess",
    "cut_hits",
    "distribution_means",
    "draw_gaps",
    "ensemble_bits",
    "gap_score",
    "heldout_bytes",
    "leaks",
    "load_results",
    "main",
    "measure_cuts",
    "measure_distributions",
    "measure_gaps",
    "measure_tokenization",
    "measure_transformers_healing",
    "prompts_kept",
    "recompute_ensemble",
    "similarity",
    "tokens_per_byte",
]
