"""Checkpoints of a training run: written whole, found whole, resumed only if they fit."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tokenlab.errors import CheckpointError

STATE_FILE = "state.json"
#: How many of a run's last checkpoints stay.
KEPT_CHECKPOINTS = 2


@dataclasses.dataclass
class Run:
    """How far a training run has come: ``state.json`` of a checkpoint.

    ``corpus`` is the documents' fingerprint; ``losses``, of every step, are in nats.
    """

    recipe: dict
    corpus: str
    step: int = 0
    seconds: float = 0.0
    processes: int = 1
    device: str = "cpu"
    losses: list[float] = dataclasses.field(default_factory=list)


def save_checkpoint(accelerator, folder: Path, run: Run) -> None:
    """Write a checkpoint; ``state.json`` comes last and marks it complete."""
    target = folder / f"step-{run.step:06d}"
    if accelerator.is_main_process:
        shutil.rmtree(target, ignore_errors=True)  # What a killed run left of this step.
    accelerator.wait_for_everyone()
    accelerator.save_state(str(target))
    accelerator.wait_for_everyone()
    if not accelerator.is_main_process:
        return
    sizes = {path.name: path.stat().st_size for path in target.iterdir() if path.name != STATE_FILE}
    state = json.dumps({**dataclasses.asdict(run), "files": sizes})
    temporary = target / (STATE_FILE + ".part")
    temporary.write_text(state)
    temporary.replace(target / STATE_FILE)
    kept = complete_checkpoints(folder)[-KEPT_CHECKPOINTS:]
    for other in set(folder.glob("step-*")) - set(kept):
        shutil.rmtree(other)


@contextlib.contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A folder to write into, whose files go to ``folder`` when all is done; after an error none do."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as name:
        yield Path(name)
        folder.mkdir(exist_ok=True)
        for path in Path(name).iterdir():
            path.replace(folder / path.name)


def complete_checkpoints(folder: Path) -> list[Path]:
    """Those that were written to the end, oldest first."""
    found = []
    for target in sorted(folder.glob("step-*")):
        try:
            files = json.loads((target / STATE_FILE).read_text())["files"]
            if all((target / name).stat().st_size == size for name, size in files.items()):
                found.append(target)
        except (OSError, ValueError, KeyError):
            continue  # Killed while writing: the one before it is whole.
    return found


def resume(accelerator, folder: Path, fresh: Run) -> Run:
    """Load the last complete checkpoint, or return ``fresh``; CheckpointError if it does not fit."""
    complete = complete_checkpoints(folder)
    if not complete:
        return fresh
    state = json.loads((complete[-1] / STATE_FILE).read_text())
    run = Run(**{name: value for name, value in state.items() if name != "files"})
    if run.corpus != fresh.corpus or not _same_so_far(run, fresh.recipe):
        raise CheckpointError(
            f"{folder} holds a run with another recipe or another corpus; "
            "delete it, or give another folder with --checkpoints"
        )
    accelerator.load_state(str(complete[-1]))
    return dataclasses.replace(run, recipe=fresh.recipe, processes=fresh.processes, device=fresh.device)


def _same_so_far(run: Run, recipe: dict) -> bool:
    """Equal recipes, but for steps while neither schedule has begun to fall."""
    if run.recipe == recipe:
        return True
    plateau = (1 - recipe["decay_share"]) * min(run.recipe["steps"], recipe["steps"])
    return {**run.recipe, "steps": 0} == {**recipe, "steps": 0} and run.step <= plateau
