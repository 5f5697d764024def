"""What all commands share: help that shows defaults, files that are not overwritten unasked, short errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tokenlab.errors import ArgumentError, TokenlabError

#: Where commands write unless told otherwise: in the current folder, never in the installed package.
RUNS = Path("runs")


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Lines as they are in the description; defaults of options that have one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def command_parser(module: str, about: str) -> argparse.ArgumentParser:
    """The parser of ``python -m <module>``."""
    return argparse.ArgumentParser(prog=f"python -m {module}", description=about, formatter_class=_Help)


def add_output(parser: argparse.ArgumentParser, default: Path | str | None, text: str, *names: str) -> None:
    """Add ``--output``, or what it is called here, and ``--overwrite``."""
    parser.add_argument(*(names or ("--output",)), type=Path, default=default, help=text)
    parser.add_argument("--overwrite", action="store_true", help="write over what is there without asking")


def check_free(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Ask before files, or folders that hold something, are written over.

    Of several processes of one run the first asks.

    ArgumentError: if the answer is no, or there is no terminal to ask.
    """
    taken = [path for path in paths if path.is_file() or (path.is_dir() and any(path.iterdir()))]
    if overwrite or not taken or int(os.environ.get("RANK", 0)):
        return
    names = ", ".join(map(str, taken))
    if agreed(f"Write over {names}? [y/N] "):
        return
    raise ArgumentError(f"{names} is there already; to write over it say --overwrite, or name another place")


def agreed(question: str) -> bool:
    """Whether the user says yes; without a terminal nobody does."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def run_command(main: Callable[[], None]) -> None:
    """Run a command; a mistake of the user's ends it with one line and exit code 2, Ctrl-C with 130."""
    try:
        main()
    except (TokenlabError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
