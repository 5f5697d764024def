"""Runs that stop and go on: whole checkpoints, damaged ones, and those of another run."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
import torch

from tests.support import tiny_corpus as tiny
from tokenlab.errors import CheckpointError
from tokenlab.lm.checkpoints import complete_checkpoints
from tokenlab.lm.training import train


def test_stop_and_go_on(quick, trained, tmp_path):
    quick(stop_after=5)
    assert [path.name for path in complete_checkpoints(tmp_path / "run")] == ["step-000005"]
    _, run = quick(stop_after=9)
    assert run.losses == trained[1].losses[:9]


def test_a_finished_run_is_only_loaded(quick, tmp_path):
    model, run = quick(stop_after=3)
    again, second = quick(stop_after=3)
    assert second.losses == run.losses
    assert second.seconds == run.seconds
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_two_checkpoints_are_kept(quick, tmp_path):
    quick(stop_after=5, checkpoint_seconds=0.0)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["step-000004", "step-000005"]


@pytest.fixture(scope="module")
def four_steps(documents, tokenizer, tmp_path_factory):
    """A run that was stopped after four steps, with its last two checkpoints."""
    folder = tmp_path_factory.mktemp("four") / "run"
    train(
        tiny.RECIPE,
        documents,
        tokenizer,
        folder,
        cpu=True,
        progress=False,
        stop_after=4,
        checkpoint_seconds=0.0,
    )
    return folder


FILES = ("model.safetensors", "optimizer.bin", "optimizer_1.bin", "state.json")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damaged_checkpoint_falls_back_to_the_one_before(quick, trained, four_steps, tmp_path, name, damage):
    shutil.copytree(four_steps, tmp_path / "run")
    path = tmp_path / "run" / "step-000004" / name
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.unlink()
    assert [path.name for path in complete_checkpoints(tmp_path / "run")] == ["step-000003"]
    _, run = quick(stop_after=5)
    assert run.losses == trained[1].losses[:5]
    # What the killed run left over is gone.
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["step-000003", "step-000005"]


def test_no_whole_checkpoint_starts_over(quick, trained, tmp_path):
    quick(stop_after=2)
    (tmp_path / "run" / "step-000002" / "state.json").write_text("{")
    assert quick(stop_after=3)[1].losses == trained[1].losses[:3]


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 1e-3}, {"hidden": 32}, {"fim_rate": 0.0}])
def test_other_recipe_in_the_folder(quick, tmp_path, change):
    quick(stop_after=1)
    with pytest.raises(CheckpointError, match="another recipe or another corpus"):
        quick(dataclasses.replace(tiny.RECIPE, **change), stop_after=2)


def test_other_corpus_in_the_folder(quick, documents):
    quick(stop_after=1)
    changed = [dataclasses.replace(documents[0], text=documents[0].text + "x\n"), *documents[1:]]
    with pytest.raises(CheckpointError, match="another recipe or another corpus"):
        quick(texts=changed, stop_after=2)


def test_more_steps_before_the_fall(quick, tmp_path):
    """A run may be made longer while its rate has not begun to fall; its curve is the longer one's."""
    longer = dataclasses.replace(tiny.RECIPE, steps=40)
    quick(stop_after=6)
    _, run = quick(longer, stop_after=8)
    assert run.losses == quick(longer, folder="longer", stop_after=8)[1].losses
    assert json.loads((tmp_path / "run" / "step-000008" / "state.json").read_text())["recipe"]["steps"] == 40


def test_more_steps_after_the_fall(quick):
    quick(dataclasses.replace(tiny.RECIPE, steps=6), stop_after=4)
    with pytest.raises(CheckpointError, match="another recipe"):
        quick(dataclasses.replace(tiny.RECIPE, steps=9))
