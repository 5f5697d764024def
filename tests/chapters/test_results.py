"""One record for all chapters: commands, files, what was recorded; small numbers keep their digits."""

from __future__ import annotations

import json

import pytest

from tests.chapters.record import check_provenance, run_all
from tokenlab.chapters.bytelevel import experiments as bytelevel
from tokenlab.chapters.results import Experiment, Record, rounded
from tokenlab.chapters.sampling import experiments as sampling
from tokenlab.chapters.transport import experiments as transport
from tokenlab.errors import ArgumentError, CheckpointError
from tokenlab.lm.provenance import weights_digest

RECORDED = [(chapter, name) for chapter in (bytelevel, sampling, transport) for name in chapter.EXPERIMENTS]
IDS = [f"{chapter.__name__.split('.')[-2]} {name}" for chapter, name in RECORDED]


@pytest.mark.parametrize(("chapter", "name"), RECORDED, ids=IDS)
def test_recorded_results_belong_to_the_shipped_weights(chapter, name):
    found = chapter.load_results(name)
    models = found["provenance"]["models"]
    assert tuple(models) == chapter.EXPERIMENTS[name].roles
    assert all(model["weights_sha256"] == weights_digest(model["name"]) for model in models.values())
    command = f"python -m {chapter.__name__} {name}"
    assert found["provenance"]["command"] == command and "NaN" not in json.dumps(found)


def test_a_command_loads_the_models_of_its_roles_and_no_others(monkeypatch, tmp_path):
    from tokenlab import lm

    loaded = []

    class Model:
        class device:
            type = "cpu"

    def load(name, dtype):
        loaded.append(name)
        return Model(), f"tokenizer of {name}"

    def run(models) -> dict:
        return {"tokenizers": {role: tokenizer for role, (_, tokenizer) in models.items()}}

    monkeypatch.setattr(lm, "load", load)
    record = Record(
        "toy", {"one": Experiment(run, ("target",)), "two": Experiment(run, ("other", "draft"))}, "A toy."
    )

    class toy:
        EXPERIMENTS, main, load_results = record.experiments, record.main, record.load

    found = run_all(toy, tmp_path / "results", "--target", "lab-draft")
    assert loaded == ["lab-draft", "lab-other", "lab-draft"]
    assert found["two"]["tokenizers"] == {
        "other": "tokenizer of lab-other",
        "draft": "tokenizer of lab-draft",
    }
    check_provenance(found["one"], "toy", "one", {"target": "lab-draft"})
    with pytest.raises(
        CheckpointError, match=r"toy_one.json is missing; run `python -m .*toy.experiments one --output .*`"
    ):
        record.load("one", tmp_path)
    with pytest.raises(ArgumentError, match="name is 'three'"):
        record.load("three", tmp_path / "results")
    with pytest.raises(SystemExit):
        record.main(["three"])


def test_small_numbers_keep_their_leading_digits():
    assert rounded({"error": [1.2345678e-9], "count": 3, "name": "x"}) == {
        "error": [1.23457e-09],
        "count": 3,
        "name": "x",
    }


def test_results_go_to_the_current_folder_and_stay(monkeypatch, tmp_path):
    """By default; the files that the book shows are replaced only where ``--output`` names them."""
    monkeypatch.chdir(tmp_path)
    written = tmp_path / "runs" / "results" / "sampling_rules.json"
    written.parent.mkdir(parents=True)
    written.write_text("kept")
    with pytest.raises(ArgumentError, match=r"^runs/results/sampling_rules.json is there already"):
        sampling.main(["rules"])
    assert written.read_text() == "kept"
