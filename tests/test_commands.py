"""What the command lines share: nothing is written over unasked, a user's mistake is one line."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebooks.execute import ROOT
from tokenlab.commands import add_output, check_free, command_parser, run_command
from tokenlab.errors import ArgumentError

#: Everything in the package that can be run by ``python -m``.
COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "tokenlab").rglob("*.py")
    if re.search(r'^if __name__ == "__main__":', path.read_text(encoding="utf-8"), re.M)
    and "assets" not in path.parts
)
#: Runs a command with these arguments, and says what it has imported for them.
RUN = """
import runpy, sys
command, *sys.argv[1:] = sys.argv[1:]
try:
    runpy.run_module(command, run_name="__main__", alter_sys=True)
finally:
    print([name for name in ("torch", "transformers", "numpy", "nbformat") if name in sys.modules], file=sys.stderr)
"""


def run(command: str, *arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    line = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{RUN}",
        command,
        *arguments,
    ]
    return subprocess.run(line, cwd=where, capture_output=True, text=True, timeout=600)


def test_the_commands_are_found():
    chapters = {
        f"tokenlab.chapters.{chapter}.experiments" for chapter in ("bytelevel", "sampling", "transport")
    }
    assert chapters | {"tokenlab.grading.build", "tokenlab.lm.corpus", "tokenlab.lm.train"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_waits_for_no_torch(command, tmp_path):
    done = run(command, "--help", where=tmp_path)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert f"usage: python -m {command}" in done.stdout
    assert "(default: " in done.stdout and "default: None" not in done.stdout
    assert "runs/" in done.stdout and "--output" in done.stdout and "--overwrite" in done.stdout
    assert list(tmp_path.iterdir()) == []


MISTAKES = [
    (["tokenlab.lm.train", "lab-traget"], "error: name is 'lab-traget', expected one of 'lab-target', "),
    (["tokenlab.lm.train", "lab-draft", "--output", "here"], "error: here is there already; "),
    (["tokenlab.lm.fetch", "smollm-135m"], "error: name is 'smollm-135m', expected one of 'smollm2-135m', "),
    (["tokenlab.lm.corpus", "--output", "here/file"], "error: here/file is there already; "),
]


@pytest.mark.parametrize(
    ("line", "message"), MISTAKES, ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_a_users_mistake_is_a_line_and_exit_code_2(line, message, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("{}")
    done = run(*line, where=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(message) and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "here"]


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
