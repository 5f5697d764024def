"""Recorded results of a chapter's experiments: made by one command, read by notebooks and tests.

``python -m tokenlab.chapters.<chapter>.experiments <name>`` writes ``runs/results/<chapter>_<name>.json``,
with its provenance; with ``--output tokenlab/assets/results`` in a clone, the file that the book shows. Models
run in float64: results hang on no machine's rounding.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from tokenlab.commands import RUNS, add_output, check_free, command_parser
from tokenlab.errors import CheckpointError, check_choice
from tokenlab.lm.corpus import ASSETS

RESULTS = ASSETS / "results"


class Experiment(NamedTuple):
    """What a command runs, from ``{role: (model, tokenizer)}`` to what is recorded.

    Roles are ``"target"``, ``"draft"`` and ``"other"``, by default the lab models of that name.
    """

    run: Callable[[Mapping[str, tuple]], dict]
    roles: tuple[str, ...]


def run_of(module: str) -> Callable[..., dict]:
    """``run`` of a module, which is imported when it is called: a command's help waits for no torch."""

    def run(models: Mapping[str, tuple], **options) -> dict:
        return import_module(module).run(models, **options)

    return run


@dataclass(frozen=True)
class Record:
    """The experiments of a chapter by name, and the files of their results; ``about`` is the help text."""

    chapter: str
    experiments: Mapping[str, Experiment]
    about: str

    def load(self, name: str, folder: Path = RESULTS) -> dict:
        """The recorded results of an experiment, with their ``provenance``.

        ArgumentError: if there is no such experiment. CheckpointError: if it was never run.
        """
        check_choice("name", name, tuple(self.experiments))
        path = self._path(name, folder)
        if not path.exists():
            raise CheckpointError(f"{path} is missing; run `{self._command(name)} --output {folder}`")
        return json.loads(path.read_text())

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """Parse the command line, run the experiment, write its results."""
        parser = command_parser(self._module, self.about)
        parser.add_argument("name", choices=tuple(self.experiments), help="which experiment")
        for role in dict.fromkeys(role for each in self.experiments.values() for role in each.roles):
            parser.add_argument(f"--{role}", default=f"lab-{role}", help="a lab model, a folder or a Hub id")
        parser.add_argument("--threads", type=int, default=1, help="of torch; one, so that speeds compare")
        add_output(parser, RUNS / "results", "folder of the results file")
        options = parser.parse_args(arguments)
        path = self._path(options.name, options.output)
        check_free([path], overwrite=options.overwrite)
        import torch

        from tokenlab.lm import load
        from tokenlab.lm.provenance import provenance

        torch.set_num_threads(options.threads)
        experiment = self.experiments[options.name]
        names = {role: getattr(options, role) for role in experiment.roles}
        models = {role: load(name, dtype=torch.float64) for role, name in names.items()}
        started = time.monotonic()
        results = experiment.run(models)
        origin = provenance(
            self._command(options.name),
            names,
            device=next(iter(models.values()))[0].device.type,
            dtype="float64",
            seconds=time.monotonic() - started,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"provenance": origin, **results}) + "\n")

    def _path(self, name: str, folder: Path) -> Path:
        return folder / f"{self.chapter}_{name}.json"

    @property
    def _module(self) -> str:
        return f"tokenlab.chapters.{self.chapter}.experiments"

    def _command(self, name: str) -> str:
        return f"python -m {self._module} {name}"


def rounded(value, digits: int = 6):
    """The same nest of lists and dictionaries, with fewer digits.

    Examples
    --------
    >>> rounded({"small": [1 / 3000], "whole": 7})
    {'small': [0.000333333], 'whole': 7}
    """
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    # Errors are small numbers: keep their leading digits.
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def tracked(items: Iterable, unit: str, progress: bool) -> Iterable:
    """The items, under a progress bar."""
    from tqdm.auto import tqdm

    return tqdm(items, unit=unit, disable=not progress)
