"""``python -m tokenlab.lm.train`` from a library folder to a model with its metrics."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys

import pytest

from tests.support import tiny_corpus as tiny
from tokenlab.errors import ArgumentError, CorpusError, MissingPackageError, ModelNotFoundError
from tokenlab.lm import corpus, evaluate, load
from tokenlab.lm.loading import lab_folder
from tokenlab.lm.recipes import RECIPES
from tokenlab.lm.train import main


@pytest.fixture
def library(tmp_path):
    return tiny.write_library(tmp_path / "library")


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Tiny recipes under the real names, few prompts, and a folder for runs."""
    changes = {
        "hidden": 16,
        "heads": 2,
        "feed_forward": 32,
        "context": 64,
        "batch_size": 4,
        "warmup_steps": 2,
    }
    for name, recipe in list(RECIPES.items()):
        layers = min(recipe.layers, 2)
        monkeypatch.setitem(RECIPES, name, dataclasses.replace(recipe, layers=layers, steps=6, **changes))
    prompts = corpus.prompts()[:2]
    monkeypatch.setattr(corpus, "prompts", lambda kind=None: prompts)
    monkeypatch.setattr(
        evaluate.corpus, "heldout_text", lambda kind: f"A held-out text of kind {kind}.\n" * 20
    )
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_another_library_is_refused_and_named(library, tmp_path, capsys):
    (library / "abc.py").write_text("changed = True\n")
    with pytest.raises(CorpusError) as caught:
        main(["lab-target", "--library", str(library), "--output", str(tmp_path / "out"), "--cpu"])
    message = str(caught.value)
    python = corpus.load_manifest()["python"]
    assert str(library) in message
    assert f"is not the library of the manifest (Python {python})" in message
    assert "2 changed: abc.py, pydoc_data/topics.py" in message
    assert " missing: " in message
    assert "__future__.py" in message
    assert "32 extra: m00.py, m01.py, m02.py, m03.py, m04.py, ..." in message
    assert "--accept-differences" in message
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_from_library_to_models(library, tmp_path, monkeypatch, capsys):
    target, draft = tmp_path / "target", tmp_path / "draft"
    common = ["--library", str(library), "--accept-differences", "--cpu"]
    main(["lab-target", *common, "--output", str(target), "--steps", "4", "--seed", "3"])
    assert "601 missing: " in capsys.readouterr().out

    metrics = json.loads((target / "metrics.json").read_text())
    assert metrics["name"] == "lab-target"
    assert metrics["command"] == "python -m tokenlab.lm.train lab-target --steps 4 --seed 3"
    assert (metrics["recipe"]["steps"], metrics["recipe"]["seed"]) == (4, 3)
    assert metrics["tokens"] == 4 * 4 * 64
    assert [step for step, _ in metrics["curve"]] == [0, 1, 2, 3]
    assert (
        metrics["weights_sha256"] == hashlib.sha256((target / "model.safetensors").read_bytes()).hexdigest()
    )
    assert metrics["corpus"]["files"] == 33
    assert {"python", "torch", "transformers", "tokenizers", "accelerate"} <= metrics["versions"].keys()
    model, tokenizer = load(str(target))
    assert metrics["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    text = corpus.heldout_text("source")
    row = metrics["bits_per_byte"]["heldout-source"]
    assert row["bytes"] == len(text.encode())
    assert row["lab-target"] == pytest.approx(evaluate.bits_per_byte(model, tokenizer, text))
    assert {"gzip -9", "xz -9", "xz -9 after training text", "Witten-Bell, 5 bytes"} <= row.keys()
    assert [sample["id"] for sample in metrics["samples"]] == [prompt["id"] for prompt in corpus.prompts()]
    assert "agreement" not in metrics
    checkpoints = list((tmp_path / "work" / "runs" / "lab-target").iterdir())
    assert [path.name for path in checkpoints] == ["step-000004"]

    # The draft learns from the teacher that was named, and is compared with that one.
    main(
        [
            "lab-draft",
            *common,
            "--output",
            str(draft),
            "--teacher",
            str(target),
            "--checkpoints",
            str(tmp_path / "c"),
        ]
    )
    metrics = json.loads((draft / "metrics.json").read_text())
    assert metrics["agreement_with"] == metrics["recipe"]["teacher"] == str(target)
    assert metrics["command"] == f"python -m tokenlab.lm.train lab-draft --teacher {target}"
    assert metrics["teacher_forward_milliseconds"].keys() == {"1", "5"}
    student, student_tokenizer = load(str(draft))
    assert student_tokenizer.get_vocab() == tokenizer.get_vocab()
    found = evaluate.agreement(model, student, tokenizer, text)
    assert metrics["agreement"]["heldout-source"] == pytest.approx(found._asdict())


def test_sentencepiece_model(library, tmp_path):
    out = tmp_path / "other"
    main(["lab-other", "--library", str(library), "--accept-differences", "--cpu", "--output", str(out)])
    _, tokenizer = load(str(out))
    assert tokenizer.tokenize("total")[0].startswith("▁")
    assert (
        json.loads((out / "metrics.json").read_text())["command"] == "python -m tokenlab.lm.train lab-other"
    )


def test_unknown_name():
    with pytest.raises(ArgumentError, match="name is 'lab-traget', expected one of 'lab-target'"):
        main(["lab-traget"])


def test_unknown_teacher(library):
    arguments = ["--library", str(library), "--accept-differences", "--cpu", "--teacher", "no-such-model"]
    with pytest.raises(ModelNotFoundError, match="no model 'no-such-model'"):
        main(["lab-draft", *arguments])


@pytest.mark.parametrize("steps", ["0", "-3"])
def test_bad_steps(library, steps):
    with pytest.raises(ArgumentError, match=f"steps is {steps}, expected at least 1"):
        main(["lab-target", "--library", str(library), "--accept-differences", "--cpu", "--steps", steps])


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in (
        "--steps",
        "--seed",
        "--output",
        "--library",
        "--accept-differences",
        "--teacher",
        "--cpu",
    ):
        assert option in text


QUICK = ["--accept-differences", "--cpu", "--steps", "2"]


def test_by_default_the_model_lies_in_the_current_folder(library, tmp_path):
    """Never in the installed package, over the model that is shipped."""
    shipped = lab_folder("lab-target")
    before = {path.name: path.stat().st_mtime_ns for path in shipped.iterdir()}
    main(["lab-target", "--library", str(library), *QUICK])
    run = tmp_path / "work" / "runs" / "lab-target"
    assert {path.name for path in run.iterdir()} == {"step-000002", "model"}
    assert {path.name: path.stat().st_mtime_ns for path in shipped.iterdir()} == before
    assert load(str(run / "model"))[0].config.hidden_size == 16

    # What is there stays, until it is said that it may go; the run goes on from where it was.
    weights = run / "model" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(b"changed since")
    with pytest.raises(ArgumentError, match=r"runs/lab-target/model is there already; .* --overwrite"):
        main(["lab-target", "--library", str(library), *QUICK])
    assert weights.read_bytes() == b"changed since"
    main(["lab-target", "--library", str(library), *QUICK, "--overwrite"])
    assert weights.read_bytes() == content


def test_a_run_that_fails_while_it_is_judged_can_be_ended(library, tmp_path, monkeypatch):
    run = tmp_path / "work" / "runs" / "lab-target"
    with monkeypatch.context() as patched:
        patched.setattr(evaluate, "write_metrics", lambda *arguments, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(["lab-target", "--library", str(library), *QUICK])
    assert [path.name for path in run.iterdir()] == ["step-000002"]
    main(["lab-target", "--library", str(library), *QUICK])
    assert (run / "model" / "metrics.json").exists()


def test_without_accelerate_the_extra_is_named(library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingPackageError, match=r'accelerate .* `pip install "tokenlab\[train\]"`'):
        main(["lab-target", "--library", str(library), *QUICK])
    assert list((tmp_path / "work").iterdir()) == []


def test_the_manifest_of_a_library(library, tmp_path):
    corpus.main(["--library", str(library)])
    written = tmp_path / "work" / "runs" / "corpus.json"
    assert json.loads(written.read_text()) == corpus.build_manifest(library)
    with pytest.raises(ArgumentError, match=r"runs/corpus.json is there already"):
        corpus.main(["--library", str(library)])
