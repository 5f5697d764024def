"""The commands write results with their provenance; what was recorded is whole."""

from __future__ import annotations

import json

import pytest

from tests.chapters.bytelevel.experiments.conftest import FILE
from tests.chapters.bytelevel.experiments.recorded import CUTS, DISTRIBUTIONS, GAPS
from tests.chapters.record import check_provenance, run_all
from tokenlab.bytelevel.tasks.baselines import METHODS
from tokenlab.chapters.bytelevel import experiments
from tokenlab.chapters.bytelevel.experiments import cuts, ensembles, infilling, tokenizations
from tokenlab.chapters.results import RESULTS
from tokenlab.errors import ArgumentError, CheckpointError, ShapeError


@pytest.fixture(scope="module")
def written(models, tmp_path_factory) -> dict[str, dict]:
    """All commands, on two files of each kind and a few cuts and gaps."""
    from tokenlab import lm

    folder = tmp_path_factory.mktemp("results")
    texts = experiments.heldout_bytes()
    few = [name for kind in ("source", "english") for name in [n for n in texts if n.startswith(kind)][:2]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lm, "load", lambda name, dtype: models[name.removeprefix("lab-")])
        for module in (cuts, infilling, ensembles):
            patch.setattr(module, "heldout_bytes", lambda: {name: texts[name][:500] for name in few})
        patch.setattr(cuts, "CUTS", range(30, 33))
        patch.setattr(experiments.measure_cuts, "__defaults__", (range(30, 33), METHODS))
        patch.setattr(cuts, "HEALED_CUTS", range(30, 31))
        patch.setattr(experiments.measure_transformers_healing, "__defaults__", (range(30, 31),))
        patch.setattr(experiments.draw_gaps, "__defaults__", (2, 0))
        patch.setattr(ensembles, "ENSEMBLE_BYTES", 6)
        patch.setattr(tokenizations, "TOKENIZATION_BYTES", 6)
        patch.setattr(tokenizations, "WIDTHS", (2,))
        return run_all(experiments, folder)


@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_results_are_written_with_their_provenance(written, name):
    roles = ["target", "other", "draft"] if name == "ensembles" else ["target"]
    check_provenance(written[name], "bytelevel", name, {role: f"lab-{role}" for role in roles})


def test_what_is_written_can_be_read(written):
    cut, gaps = written["cuts"], written["infilling"]
    assert experiments.cut_bits(cut, "exact").mean < experiments.cut_bits(cut, "plain").mean
    assert experiments.tokens_per_byte(cut).mean > 0.5
    assert len(gaps["gaps"]) == 2 and len(gaps["gaps"][0]) == 2
    assert 0 <= experiments.gap_score(gaps, "psm", "bytes", "similarity").mean <= 1
    assert experiments.ensemble_bits(written["ensembles"], "mix, all three").mean > 0
    assert experiments.distribution_means(written["tokenizations"], "valid")["conditionals"] == 0


def test_bad_input(models, byte_lm, text, tmp_path):
    with pytest.raises(CheckpointError, match="experiments cuts"):
        experiments.load_results("cuts", tmp_path)
    with pytest.raises(ArgumentError, match="name is 'speed'"):
        experiments.load_results("speed")
    with pytest.raises(ArgumentError, match="text has 40 bytes, expected 41"):
        experiments.measure_cuts(byte_lm, text[:40], range(30, 34))
    with pytest.raises(ArgumentError, match="step 1"):
        experiments.measure_cuts(byte_lm, text, range(30, 40, 2))
    with pytest.raises(ArgumentError, match="method is 'magic'"):
        experiments.measure_cuts(byte_lm, text, range(30, 31), ["magic"])
    with pytest.raises(ArgumentError, match="file is 'source/none.py'"):
        experiments.draw_gaps(byte_lm, "source/none.py")
    with pytest.raises(ShapeError, match="one length"):
        experiments.measure_distributions([byte_lm], [b"a", b"bc"])
    with pytest.raises(ArgumentError, match="name is 'both'"):
        experiments.recompute_ensemble(models, "both", FILE, 4)
    with pytest.raises(ArgumentError, match="part is 'middle'"):
        experiments.cut_bits(CUTS, "exact", part="middle")
    with pytest.raises(ArgumentError, match="kind is 'poems'"):
        experiments.cut_bits(CUTS, "exact", kind="poems")
    with pytest.raises(ArgumentError, match="filler is 'luck'"):
        experiments.gap_score(GAPS, "psm", "luck")
    with pytest.raises(ArgumentError, match="distribution is 'all, 3'"):
        experiments.distribution_means(DISTRIBUTIONS, "all, 3")
    with pytest.raises(SystemExit):
        experiments.main(["speed"])


def test_recorded_results_are_small():
    for name in experiments.EXPERIMENTS:
        assert (RESULTS / f"bytelevel_{name}.json").stat().st_size < 300_000


def test_recorded_results_are_whole():
    """Every file, position and method that the experiment names has its numbers, and no nan."""
    cut, gaps = experiments.load_results("cuts"), experiments.load_results("infilling")
    texts = experiments.heldout_bytes()
    assert cut["files"] == list(texts) == experiments.load_results("ensembles")["files"]
    width = cut["cuts"][1] - cut["cuts"][0] + 1
    for table in cut["methods"].values():
        for rows in table.values():
            assert len(rows) == len(texts) and all(len(row) == width for row in rows)
    assert all(len(row) == len(cut["transformers"]["cuts"]) for row in cut["transformers"]["hit"])
    assert gaps["files"] == [file for file in texts if file.startswith("source")]
    assert all(len(row) == infilling.GAPS for row in gaps["gaps"])
    assert set(experiments.load_results("ensembles")["bits"]) == set(experiments.ENSEMBLES)
    for name in experiments.EXPERIMENTS:
        assert "NaN" not in json.dumps(experiments.load_results(name))
