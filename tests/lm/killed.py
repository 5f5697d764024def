"""Train in forked processes that are killed: ``python -m tests.lm.killed INPUTS FOLDER OUTPUT``.

One process imports torch and transformers, and forks before it has run anything, so
that many kills cost one import. OUTPUT tells for each kill what the resumed run got.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import accelerate
import accelerate.checkpointing
import torch
import tqdm.auto  # noqa: F401
from transformers import AutoTokenizer, LlamaForCausalLM  # noqa: F401

from tests.support import tiny_corpus as tiny
from tokenlab.lm import training
from tokenlab.lm.checkpoints import complete_checkpoints

#: Seconds between the first step of a run and its kill, for kills that fall anywhere.
DELAYS = [random.Random(seed).uniform(0.0, 1.0) for seed in range(2)]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(step: int) -> None:
    """Die between two steps."""
    inner = training.learning_rate_factor
    training.learning_rate_factor = lambda at, recipe: die() if at == step else inner(at, recipe)


def while_saving(call: int) -> None:
    """Die in the middle of the n-th file that checkpoints write."""
    inner, calls = accelerate.checkpointing.save, iter(range(10**6))

    def save(state, path, *args, **kwargs):
        inner(state, path, *args, **kwargs)
        if next(calls) == call:
            os.truncate(path, os.path.getsize(path) // 2)
            die()

    accelerate.checkpointing.save = save


def before_complete(call: int) -> None:
    """Die when every file of a checkpoint is written, and ``state.json`` is not yet in its place."""
    inner, calls = Path.replace, iter(range(10**6))
    Path.replace = lambda self, target: die() if next(calls) == call else inner(self, target)


def while_removing(call: int) -> None:
    """Die when the files of an old checkpoint are half gone."""
    inner, calls = shutil.rmtree, iter(range(10**6))

    def rmtree(folder, *args, **kwargs):
        if Path(folder).exists() and next(calls) == call:
            (Path(folder) / "optimizer.bin").unlink()
            die()
        inner(folder, *args, **kwargs)

    shutil.rmtree = rmtree


KILLS: dict[str, Callable[[], None]] = {
    "at the first step": lambda: at_step(0),
    "between two steps": lambda: at_step(5),
    "writing the first checkpoint": lambda: while_saving(0),
    "writing weights": lambda: while_saving(9),
    "writing the second optimizer": lambda: while_saving(14),
    "before a checkpoint is complete": lambda: before_complete(3),
    "removing an old checkpoint": lambda: while_removing(2),
}
KILLS |= {f"after {delay:.2f} s": lambda: None for delay in DELAYS}


def run(inputs: Path, folder: Path, result: Path, prepare: Callable[[], None], seconds: float) -> None:
    """What a forked process does."""
    torch.set_num_threads(1)
    recipe, texts, tokenizer = tiny.read_inputs(inputs)
    prepare()
    model, done = training.train(
        recipe, texts, tokenizer, folder, cpu=True, progress=False, checkpoint_seconds=seconds
    )
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.numpy().tobytes())
    result.write_text(json.dumps({"losses": done.losses, "weights": digest.hexdigest()}))


def forked(*arguments) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        run(*arguments)
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)


def wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    inputs, folder, output = map(Path, sys.argv[1:])
    report = {}
    undisturbed = folder / "undisturbed.json"
    status = wait(forked(inputs, folder / "undisturbed", undisturbed, lambda: None, 1e9))
    report["undisturbed"] = {"status": status, **json.loads(undisturbed.read_text())}
    delays = dict(zip([name for name in KILLS if name.startswith("after ")], DELAYS, strict=True))
    for number, (name, prepare) in enumerate(KILLS.items()):
        checkpoints, result = folder / str(number), folder / f"{number}.json"
        pid = forked(inputs, checkpoints, result, prepare, 0.0)
        if name in delays:
            deadline = time.monotonic() + 60
            while not checkpoints.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(delays[name])
            os.kill(pid, signal.SIGKILL)
        killed = wait(pid)
        left = sorted(path.name for path in checkpoints.glob("step-*"))
        whole = [path.name for path in complete_checkpoints(checkpoints)]
        result.unlink(missing_ok=True)  # A kill that came too late.
        resumed = wait(forked(inputs, checkpoints, result, lambda: None, 1e9))
        found = json.loads(result.read_text()) if result.exists() else {}
        report[name] = {"killed": killed, "left": left, "whole": whole, "status": resumed, **found}
    output.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
