"""The files around the package agree with one another."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import tokenlab
from tests.support.readme import blocks


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def config(root: Path) -> dict:
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, Requirement]:
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    assert len({canonical(pin.name) for pin in found}) == len(found), "a package is pinned twice"
    return {canonical(pin.name): pin for pin in found}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def text_files(root: Path) -> list[Path]:
    top = [path for path in root.iterdir() if path.is_file() and path.suffix != ".pyc"]
    below = [
        path
        for folder in (".ci", "book", "tests", "tokenlab")
        for path in (root / folder).rglob("*")
        if path.is_file() and not {"_build", "__pycache__", ".ipynb_checkpoints", "models"} & set(path.parts)
    ]
    return [path for path in top + below if path.suffix not in (".safetensors", ".bin", ".pyc", ".png")]


# --- one address, one version --------------------------------------------------------


def test_repository_address_stands_once(root: Path, project: dict, config: dict):
    url = project["urls"]["Repository"]
    owner, name = url.removeprefix("https://github.com/").split("/")
    assert config["repository"]["url"] == url
    assert yaml.safe_load((root / "CITATION.cff").read_text())["repository-code"] == url
    assert url in (root / "README.md").read_text(encoding="utf-8")
    ours = re.compile(rf"[\w.:/@-]*(?:{owner}/[\w.-]+|[\w.-]+/{name})")
    # As it stands, or in the addresses that open a notebook elsewhere.
    hosts = rf"(?:git\+)?{re.escape(url)}|https://colab\.research\.google\.com/github/{owner}/{name}"
    allowed = re.compile(rf"(?:{hosts}|https://mybinder\.org/v2/gh/{owner}/{name})(?:\.git)?(?:[/@].*)?")
    for path in text_files(root):
        for found in ours.findall(path.read_text(encoding="utf-8", errors="ignore")):
            if re.search("github|mybinder", found) and path.suffix != ".py":
                assert allowed.fullmatch(found.rstrip(".")), f"{path.name}: {found}"


def test_version_is_the_same_everywhere(root: Path):
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## ([\d.]+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[1]
    assert tokenlab.__version__ == str(citation["version"]) == newest


# --- dependencies --------------------------------------------------------------------


def test_package_has_lower_bounds_only(project: dict):
    wanted = project["dependencies"] + [
        name for extra in project["optional-dependencies"].values() for name in extra
    ]
    for requirement in map(Requirement, wanted):
        assert [item.operator for item in requirement.specifier] == [">="], requirement


def test_pins_fix_everything_the_package_needs(project: dict, pins: dict):
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["train"] + extras["gguf"]
    for requirement in map(Requirement, wanted):
        (pin,) = pins[canonical(requirement.name)].specifier
        assert pin.operator == "==" and requirement.specifier.contains(pin.version), requirement


def test_every_pin_is_exact(pins: dict):
    for pin in pins.values():
        (item,) = pin.specifier
        assert item.operator == "==" and "+" not in item.version and "*" not in item.version, pin
    assert Version("1") <= Version(next(iter(pins["jupyter-book"].specifier)).version) < Version("2")


def test_installed_versions_are_the_pinned_ones(pins: dict):
    from importlib import metadata

    for name in ("torch", "transformers", "tokenizers", "numpy", "scipy", "matplotlib", "nbval"):
        (item,) = pins[name].specifier
        installed = Version(metadata.version(name)).public
        if installed != item.version:
            pytest.skip(f"{name} {installed} is installed, {item.version} is pinned: not the .venv of make")


# --- the book's configuration --------------------------------------------------------


def test_configuration(config: dict):
    assert config["title"] == "Token Lab" and config["author"] == "The Token Lab authors"
    assert config["only_build_toc_files"] is True
    assert config["execute"]["execute_notebooks"] == "cache" and config["execute"]["timeout"] == 300
    assert config["launch_buttons"].pop("thebe") is False
    assert set(config["launch_buttons"]) == {"colab_url", "binderhub_url", "notebook_interface"}
    # It would replace what Jupyter Book makes of its own keys; see book/_ext/theme.py.
    assert "html_theme_options" not in config["sphinx"]["config"]
    for name, folder in config["sphinx"]["local_extensions"].items():
        assert (Path(__file__).parents[2] / folder / f"{name}.py").is_file()


def test_every_public_module_has_an_api_page(root: Path):
    text = "".join(path.read_text(encoding="utf-8") for path in (root / "book" / "api").glob("*.md"))
    documented = set(re.findall(r"automodule:: tokenlab\.(\w+)", text))
    assert documented == set(tokenlab.__all__)
    present = {path.stem for path in (root / "tokenlab").glob("*.py")} | {
        path.parent.name for path in (root / "tokenlab").glob("*/__init__.py")
    }
    assert present - {"__init__"} == documented


# --- references ----------------------------------------------------------------------


def bibliography(root: Path):
    from pybtex.database import parse_file

    return parse_file(str(root / "book" / "references.bib")).entries


def cited(root: Path) -> set[str]:
    pages = [path for path in (root / "book").rglob("*.md") if "_build" not in path.parts]
    roles = re.findall(
        r"\{cite(?::\w+)?\}`([^`]+)`", "".join(path.read_text(encoding="utf-8") for path in pages)
    )
    return {key.strip() for keys in roles for key in keys.split(",")}


def test_no_reference_is_unused_or_undefined(root: Path):
    assert cited(root) == set(bibliography(root))


def test_references_are_complete(root: Path):
    for key, entry in bibliography(root).items():
        assert entry.persons["author"] and {"title", "year"} <= set(entry.fields), key
        assert {"url", "doi"} & set(entry.fields), key
        if "eprint" in entry.fields:
            assert entry.fields["url"] == f"https://arxiv.org/abs/{entry.fields['eprint']}", key


def test_papers_that_notebooks_link_are_in_the_bibliography(root: Path):
    known = {entry.fields.get("eprint") for entry in bibliography(root).values()}
    for path in (root / "book").rglob("*.ipynb"):
        if "_build" not in path.parts:
            linked = set(
                re.findall(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})", path.read_text(encoding="utf-8"))
            )
            assert linked <= known, path.name


# --- what the README says ------------------------------------------------------------


def test_ci_runs_what_the_readme_says(root: Path):
    said = [line.split("#")[0].strip() for line in blocks(root, "bash")[0].splitlines()]
    lines = (root / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    run = [line for line in lines if line.startswith("make")]
    # What the newest versions break is reported by CI: a release elsewhere does not stop work here.
    assert run == [*said[:-1], f"{said[-1]} NEWEST=report"]
    assert said == ["make book", "make test", "make drift"]
    assert "set -euo pipefail" in lines
    assert (root / ".ci" / "run").stat().st_mode & 0o111


def test_help_names_every_target(root: Path):
    command = ["make", "--no-print-directory", "help", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    named = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
    assert named == {
        "help",
        "book",
        "test",
        "check",
        "drift",
        "real",
        "gpu",
        "peers",
        "assignments",
        "notebooks",
        "lab",
        "clean",
    }


def test_pages_say_how_to_open_a_notebook(root: Path):
    for page in ("README.md", "book/index.md", "book/instructors.md"):
        text = (root / page).read_text(encoding="utf-8")
        assert "make lab" in text and "jupyter lab " in text and "pip install jupyterlab" in text, page
    # Inside `make test` it would name its folder.
    lab = ["make", "--no-print-directory", "-n", "lab"]
    done = subprocess.run(lab, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("jupyter lab book")
