"""Killed runs and runs on several processes have the curve of one undisturbed process."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from tests.support import tiny_corpus as tiny

pytestmark = pytest.mark.model  # of other processes
STEPS = 8
KILLS = [
    "at the first step",
    "between two steps",
    "writing the first checkpoint",
    "writing weights",
    "writing the second optimizer",
    "before a checkpoint is complete",
    "removing an old checkpoint",
]
RANDOM_KILLS = 2


def start(root, *arguments):
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "ACCELERATE_USE_CPU": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(root),
    }
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.Popen(command, cwd=root, env=environment, text=True, stderr=subprocess.PIPE)


def finish(process):
    _, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors[-4000:]


@pytest.fixture(scope="module")
def started(root, documents, tokenizer, tmp_path_factory):
    """Both groups of processes at once: most of their time goes into imports."""
    folder = tmp_path_factory.mktemp("resume")
    short = dataclasses.replace(tiny.RECIPE, steps=STEPS, batch_size=4)
    tiny.write_inputs(folder / "short", short, documents, tokenizer)
    tiny.write_inputs(folder / "long", tiny.RECIPE, documents, tokenizer)
    processes = {}
    if hasattr(os, "fork"):
        processes["killed"] = start(root, "tests.lm.killed", folder / "short", folder, folder / "killed.json")
    processes["spread"] = start(
        root,
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        2,
        "-m",
        "tests.lm.spread",
        folder / "long",
        folder / "spread",
        folder / "spread.json",
    )
    yield folder, processes
    for process in processes.values():
        process.kill()


@pytest.fixture(scope="module")
def killed(started):
    folder, processes = started
    finish(processes["killed"])
    return json.loads((folder / "killed.json").read_text())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
class TestKilled:
    def test_undisturbed(self, killed):
        assert killed["undisturbed"]["status"] == 0
        assert len(killed["undisturbed"]["losses"]) == STEPS

    @pytest.mark.parametrize("name", KILLS)
    def test_resumes_to_the_same_curve(self, killed, name):
        found, wanted = killed[name], killed["undisturbed"]
        assert found["killed"] == -9
        assert found["status"] == 0
        assert found["losses"] == wanted["losses"]
        assert found["weights"] == wanted["weights"]

    @pytest.mark.parametrize("number", range(RANDOM_KILLS))
    def test_resumes_after_a_kill_at_any_moment(self, killed, number):
        name = [name for name in killed if name.startswith("after ")][number]
        assert killed[name]["killed"] in (-9, 0)  # A fast machine may be done by then.
        assert killed[name]["status"] == 0
        assert killed[name]["losses"] == killed["undisturbed"]["losses"]
        assert killed[name]["weights"] == killed["undisturbed"]["weights"]

    def test_the_kills_hit_what_they_are_named_for(self, killed):
        """Else the tests above would pass for the wrong reason."""
        assert killed["at the first step"]["left"] == []
        assert killed["between two steps"]["whole"] == ["step-000004", "step-000005"]
        assert killed["writing the first checkpoint"]["left"] == ["step-000001"]
        assert killed["writing the first checkpoint"]["whole"] == []
        for name in ("writing weights", "writing the second optimizer", "before a checkpoint is complete"):
            # Two whole ones, and the damaged newest.
            assert len(killed[name]["whole"]) == 2, name
            assert killed[name]["left"] == [*killed[name]["whole"], killed[name]["left"][-1]]
            assert len(killed[name]["left"]) == 3, name
        removing = killed["removing an old checkpoint"]
        assert removing["left"][1:] == removing["whole"]
        assert len(removing["whole"]) == 2


def test_two_processes_have_the_losses_of_one(started, documents, tokenizer, trained):
    folder, processes = started
    finish(processes["spread"])
    first, second = (json.loads((folder / f"spread.{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert first["processes"] == 2
    assert first["backend"] == "gloo"
    assert len(first["losses"]) == 30
    assert first["losses"] == pytest.approx(trained[1].losses, rel=1e-4)
    # One process reads the checkpoint that two have written.
    from tokenlab.lm.training import train

    _, run = train(tiny.RECIPE, documents, tokenizer, folder / "spread", cpu=True, progress=False)
    assert run.losses == first["losses"]
    assert run.processes == 1
