"""The recorded experiments: ``python -m tokenlab.chapters.transport.experiments <name>``.

``acceptance``: how often each rule accepts; ``decoding``: tokens that one call of the target gives;
``rounds``: the same for one round, computed instead of counted.
"""

from tokenlab.chapters.results import Experiment, Record
from tokenlab.chapters.transport.experiments import acceptance, decoding, rounds
from tokenlab.chapters.transport.experiments.acceptance import (
    SERIES,
    gap,
    measure_rates,
    measure_without_replacement,
    rate,
    recompute_acceptance,
)
from tokenlab.chapters.transport.experiments.decoding import (
    WAYS,
    advantage,
    efficiency,
    measure_texts,
    recompute_texts,
)
from tokenlab.chapters.transport.experiments.rounds import (
    ROUND_WAYS,
    Round,
    decode_round,
    decode_rounds,
    draft_tree,
    measure_rounds,
    recompute_rounds,
    round_advantage,
    round_tokens,
)
from tokenlab.chapters.transport.experiments.steps import (
    SETTINGS,
    TEXT_SETTINGS,
    Setting,
    Steps,
    file_names,
    read_steps,
    setting_probs,
)

EXPERIMENTS = {
    "acceptance": Experiment(acceptance.run, ("target", "draft")),
    "decoding": Experiment(decoding.run, ("target", "draft")),
    "rounds": Experiment(rounds.run, ("target", "draft")),
}

_RECORD = Record("transport", EXPERIMENTS, __doc__)
load_results, main = _RECORD.load, _RECORD.main

__all__ = [
    "EXPERIMENTS",
    "ROUND_WAYS",
    "SERIES",
    "SETTINGS",
    "TEXT_SETTINGS",
    "WAYS",
    "Round",
    "Setting",
    "Steps",
    "advantage",
    "decode_round",
    "decode_rounds",
    "draft_tree",
    "efficiency",
    "file_names",
    "gap",
    "load_results",
    "main",
    "measure_rates",
    "measure_rounds",
    "measure_texts",
    "measure_without_replacement",
    "rate",
    "read_steps",
    "recompute_acceptance",
    "recompute_rounds",
    "recompute_texts",
    "round_advantage",
    "round_tokens",
    "setting_probs",
]
