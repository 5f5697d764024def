"""The commands write results with their provenance; a part can be computed again."""

from __future__ import annotations

import pytest

from tests.chapters.record import check_provenance, run_all
from tests.chapters.transport.experiments.conftest import Tokenizer, random_model
from tokenlab.chapters.transport import experiments
from tokenlab.chapters.transport.experiments import Setting, acceptance, decoding, rounds
from tokenlab.errors import ArgumentError, CheckpointError, ShapeError


@pytest.fixture(scope="module")
def written(pair, tmp_path_factory):
    """All commands on the tiny pair, with one setting, two cells and one way."""
    from tokenlab import lm

    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            lm, "load", lambda name, dtype: (pair[0] if name == "lab-target" else pair[1], Tokenizer())
        )
        patch.setattr(acceptance, "SETTINGS", {"T = 1": Setting()})
        patch.setattr(acceptance, "FEW_CELLS", (("T = 1", 2), ("T = 1", 4)))
        patch.setattr(acceptance, "FEW_SAMPLES", 4)
        for module in (decoding, rounds):
            patch.setattr(module, "TEXT_SETTINGS", {"T = 1": Setting()})
        patch.setattr(decoding, "WAYS", {"chain of 4": decoding.WAYS["chain of 4"]})
        patch.setattr(decoding, "NEW_TOKENS", 4)
        ways = {"chain of 4": rounds.ROUND_WAYS["chain of 4"]}
        patch.setattr(rounds, "ROUND_WAYS", ways)
        patch.setattr(rounds, "TREES", 1)
        return run_all(experiments, folder)


@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_results_are_written_with_their_provenance(written, name):
    models = {"target": "lab-target", "draft": "lab-draft"}
    check_provenance(written[name], "transport", name, models)


def test_recomputation_gives_what_was_recorded(pair, written):
    found = written["acceptance"]
    file = found["files"][5]
    again = experiments.recompute_acceptance(*pair, Tokenizer(), "T = 1", file)
    for series, row in again.items():
        recorded = [values[5] for values in found["rates"]["T = 1"][series]]
        assert row == pytest.approx(recorded, rel=1e-5)
    other = experiments.recompute_acceptance(pair[1], pair[0], Tokenizer(), "T = 1", file)
    assert other["greedy"] != pytest.approx(again["greedy"], rel=1e-3)


def test_bad_input(pair, tmp_path, written):
    with pytest.raises(CheckpointError, match="experiments decoding"):
        experiments.load_results("decoding", tmp_path)
    with pytest.raises(ArgumentError, match="name is 'speed'"):
        experiments.load_results("speed")
    with pytest.raises(ArgumentError, match="file is 'source/none.py'"):
        experiments.read_steps(*pair, Tokenizer(), ["source/none.py"])
    with pytest.raises(ArgumentError, match="positions reach 90000, but source/"):
        experiments.read_steps(*pair, Tokenizer(), experiments.file_names()[:1], [90_000])
    with pytest.raises(ShapeError, match="target has 24 tokens, draft has 30"):
        experiments.read_steps(pair[0], random_model(2, 30), Tokenizer(), experiments.file_names()[:1])
    with pytest.raises(ArgumentError, match="label is 'T = 9'"):
        experiments.recompute_acceptance(*pair, Tokenizer(), "T = 9", "x")
    with pytest.raises(ArgumentError, match="way is 'beam'"):
        experiments.recompute_texts(*pair, Tokenizer(), "T = 1", "beam", 0)
    with pytest.raises(ArgumentError, match="way is 'beam'"):
        experiments.recompute_rounds(*pair, Tokenizer(), "T = 1", "beam", 0)
    with pytest.raises(ArgumentError, match="number is 40"):
        experiments.recompute_rounds(*pair, Tokenizer(), "T = 1", "chain of 4", 40)
    with pytest.raises(ArgumentError, match="rule is 'kseq'"):
        experiments.round_tokens(written["rounds"], "T = 1", "chain of 4", "kseq")
    with pytest.raises(ArgumentError, match="batch is 5, expected 0 to 4"):
        experiments.measure_texts(*pair, Tokenizer(), {}, Setting(), 5)
    with pytest.raises(ArgumentError, match="num_drafts is '9'"):
        experiments.rate(written["acceptance"], "T = 1", "kseq", 9)
    with pytest.raises(SystemExit):
        experiments.main(["speed"])
