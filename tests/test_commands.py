"""What the command lines share: nothing is written over unasked, a user's mistake is one line."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tokenlab.commands import add_output, check_free, command_parser, run_command
from tokenlab.errors import ArgumentError


@pytest.fixture
def taken(tmp_path: Path) -> list[Path]:
    """A file, and a folder that holds one; beside them what is free: no file, an empty folder."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "file", tmp_path / "folder" / "file"):
        path.write_text("x")
    check_free([tmp_path / "none", tmp_path / "empty"], overwrite=False)
    return [tmp_path / "file", tmp_path / "folder"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stdin", [io.StringIO("y\n"), None], ids=["a pipe", "nothing"])
def test_without_a_terminal_it_is_refused(taken, monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    for path in taken:
        with pytest.raises(ArgumentError, match=rf"{path} is there already; .* --overwrite"):
            check_free([path], overwrite=False)
    check_free(taken, overwrite=True)


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y", True), ("Yes", True), ("n", False), ("", False), ("maybe", False)]
)
def test_a_terminal_is_asked(taken, monkeypatch, capsys, answer, agreed):
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    if agreed:
        check_free(taken, overwrite=False)
    else:
        with pytest.raises(ArgumentError, match="--overwrite"):
            check_free(taken, overwrite=False)
    assert f"Write over {taken[0]}, {taken[1]}? [y/N]" in capsys.readouterr().out


def test_a_terminal_that_is_closed_has_not_agreed(taken, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    with pytest.raises(ArgumentError, match="--overwrite"):
        check_free(taken, overwrite=False)


def test_of_several_processes_one_asks(taken, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("RANK", "1")
    check_free(taken, overwrite=False)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ArgumentError):
        check_free(taken, overwrite=False)


def test_help_shows_the_defaults_that_there_are():
    parser = command_parser("some.module", "One line.\nAnother.")
    add_output(parser, "runs/here", "folder of the file")
    parser.add_argument("--steps", type=int, help="how many")
    text = parser.format_help()
    assert "python -m some.module" in text and "One line.\nAnother." in text
    assert "(default: runs/here)" in text and "None" not in text and "False" not in text


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ArgumentError("steps is 0"), 2, "error: steps is 0\n"),
        (PermissionError("no entry"), 2, "error: no entry\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_mistake_is_one_line(capsys, error, code, line):
    def main():
        raise error

    with pytest.raises(SystemExit) as caught:
        run_command(main)
    assert caught.value.code == code and capsys.readouterr().err == line


def test_a_fault_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)
