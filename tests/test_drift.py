"""``make drift`` installs the ends of the range that the bounds admit, and fails where it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.version import Version

from tests import drift
from tests.drift import LOWEST, NEWEST

#: What `pip config list` prints, with a section for one command and a variable.
LISTED = r"""
global.extra-index-url='https://two/simple\nhttps://three/simple'
global.find-links='/wheels'
global.timeout='60'
install.find-links='/other'
:env:.index-url='https://one/simple'
"""


def test_uv_is_told_what_pip_is_told():
    assert drift.translated(LISTED) == [
        *("--default-index", "https://one/simple"),
        *("--index", "https://two/simple", "--index", "https://three/simple"),
        *("--find-links", "/other"),
    ]
    assert drift.translated("") == []


def test_the_options_of_this_machine_are_read(monkeypatch, tmp_path: Path):
    (tmp_path / "pip.conf").write_text(
        "[global]\nextra-index-url = https://two/simple\n    https://three/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://one/simple")
    found = drift.configured()
    assert found[:2] == ["--default-index", "https://one/simple"]
    assert {"https://two/simple", "https://three/simple"} <= set(found)


def at(environment: drift.Environment, **others: str) -> dict[str, Version]:
    """What is installed where all is as it is meant, but for these."""
    bounds = drift.bounds(*environment.extras)
    meant = bounds if environment is LOWEST else {name: drift.pins()[name] for name in bounds}
    return {**meant, **{name: Version(version) for name, version in others.items()}}


def python(monkeypatch, minor: int) -> None:
    monkeypatch.setattr(drift.sys, "version_info", (3, minor, 0))


def test_the_lowest_are_the_bounds(monkeypatch):
    python(monkeypatch, 11)
    assert drift.compared(LOWEST, at(LOWEST, torch="2.13.0+cpu"))[1] == []
    # A bound that another package excludes, as tokenizers 0.22 is by transformers 5.19.
    table, astray = drift.compared(LOWEST, at(LOWEST, tokenizers="0.99.0", numpy="1.25"))
    assert astray == ["numpy", "tokenizers"]
    (row,) = [line for line in table if line.startswith("tokenizers")]
    assert row.split() == [
        "tokenizers",
        str(at(LOWEST)["tokenizers"]),
        str(drift.pins()["tokenizers"]),
        "0.99.0",
    ]


def test_a_later_python_may_lack_wheels_of_the_first_version(monkeypatch):
    python(monkeypatch, 13)
    assert drift.compared(LOWEST, at(LOWEST, numpy="2.1.0"))[1] == []
    assert drift.compared(LOWEST, at(LOWEST, numpy="1.25"))[1] == ["numpy"]


def test_the_newest_are_no_older_than_the_pins():
    assert (
        drift.compared(NEWEST, at(NEWEST, torch=f"{drift.pins()['torch']}+cpu", transformers="9.0"))[1] == []
    )
    assert drift.compared(NEWEST, at(NEWEST, transformers="5.18"))[1] == ["transformers"]


@pytest.fixture
def commands(monkeypatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """Commands are kept instead of run; each would succeed."""
    found = []

    def kept(command, **options):
        found.append(tuple(map(str, command)))
        assert "PYTHONPATH" not in options["env"], "the package is the installed one"
        return SimpleNamespace(returncode=0, stdout='[["torch", "2.99.0+cpu"]]')

    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setattr(drift, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_bytes((Path(__file__).parents[1] / "pyproject.toml").read_bytes())
    (tmp_path / "requirements.txt").write_bytes((Path(__file__).parents[1] / "requirements.txt").read_bytes())
    (tmp_path / ".venv-lowest").mkdir()
    monkeypatch.setattr(drift, "configured", lambda: ["--index", "https://mirror"])
    monkeypatch.setattr(drift, "install_package", lambda folder: found.append(("package",)))
    monkeypatch.setattr(drift.subprocess, "run", kept)
    monkeypatch.setitem(sys.modules, "uv", SimpleNamespace(find_uv_bin=lambda: "uv"))
    return found


def test_torch_is_the_one_that_is_here(commands, tmp_path: Path):
    drift.install(LOWEST, None)
    (installing,) = [command for command in commands if "pip" in command]
    for given in (
        ("--resolution", "lowest-direct"),
        ("--index", "https://mirror"),
        ("--only-binary", ":all:"),
    ):
        assert given[1] == installing[installing.index(given[0]) + 1]
    assert "https://index" not in installing and ("package",) in commands
    held = (tmp_path / ".venv-lowest" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert held[0] == f"torch=={drift.metadata.version('torch')}"
    assert set(held[1:]) == {f"{name}=={drift.pins()[name]}" for name in drift.TOOLS}


def test_an_index_of_torch_is_asked_for_both_ends(commands, tmp_path: Path):
    drift.install(LOWEST, "https://index")
    torch, rest = [command for command in commands if "pip" in command]
    assert torch[-1].startswith("torch>=") and torch[torch.index("--default-index") + 1] == "https://index"
    assert "--no-deps" in torch and torch[torch.index("--resolution") + 1] == "lowest-direct"
    assert rest.count("https://index") == 1 and "https://mirror" in rest
    held = (tmp_path / ".venv-lowest" / "constraints.txt").read_text(encoding="utf-8")
    assert held.startswith("torch==2.99.0+cpu\n")


@pytest.mark.parametrize("code", [0, 1, 4, 5])
@pytest.mark.parametrize("astray", [[], ["numpy"]])
def test_it_works_where_the_tests_pass_with_the_versions_meant(
    monkeypatch, capsys, code: int, astray: list[str]
):
    monkeypatch.setattr(drift, "install", lambda *given: None)
    monkeypatch.setattr(drift, "installed", lambda environment: {})
    monkeypatch.setattr(drift, "compared", lambda *given: (["the table"], astray))
    monkeypatch.setattr(drift.subprocess, "run", lambda *given, **options: SimpleNamespace(returncode=code))
    assert drift.works(LOWEST, None, 2) is (code == 0 and not astray)
    said = capsys.readouterr().out
    assert "the table" in said and ("FAILED" in said) == (code != 0)
    assert ("NOT THE LOWEST that the bounds admit: numpy" in said) == bool(astray)


def test_what_cannot_be_installed_does_not_work(monkeypatch, capsys):
    def fails(*given):
        raise subprocess.CalledProcessError(2, "uv")

    monkeypatch.setattr(drift, "install", fails)
    assert drift.works(NEWEST, None, 2) is False
    assert "the newest versions CANNOT BE INSTALLED" in capsys.readouterr().out


@pytest.mark.parametrize("lowest", [True, False])
@pytest.mark.parametrize("newest", [True, False])
def test_a_fault_of_the_newest_may_be_reported_only(monkeypatch, capsys, lowest: bool, newest: bool):
    monkeypatch.setattr(drift, "works", lambda which, *given: lowest if which is LOWEST else newest)
    assert drift.main([]) == (0 if lowest and newest else 1)
    capsys.readouterr()
    assert drift.main(["--newest", "report"]) == (0 if lowest else 1)
    assert ("THE NEWEST VERSIONS BREAK THE PACKAGE" in capsys.readouterr().out) is not newest


def test_the_readme_and_files_that_are_there_are_run(root: Path):
    assert drift.SMOKE[0] == "tests/test_readme.py"
    assert [name for name in drift.SMOKE + drift.TEACHING if not (root / name).exists()] == []


@pytest.mark.parametrize(
    "given, newest, added",
    [
        ([], "fail", []),
        (["NEWEST=report"], "report", []),
        (["TORCH_INDEX=https://index"], "fail", ["--torch-index", "https://index"]),
    ],
)
def test_make_runs_this_module(root: Path, given: list[str], newest: str, added: list[str]):
    make = ["make", "--no-print-directory", "-n", "-o", ".venv/.stamp", "WORKERS=2"]
    done = subprocess.run([*make, "drift", *given], cwd=root, capture_output=True, text=True, check=True)
    run = [".venv/bin/python", "-m", "tests.drift", "--newest", newest, "--workers", "2", *added]
    assert done.stdout.replace("\\\n", "").split() == run
    done = subprocess.run([*make, "clean"], cwd=root, capture_output=True, text=True, check=True)
    assert {".venv-lowest", ".venv-newest"} <= set(done.stdout.replace("\\\n", "").split())
