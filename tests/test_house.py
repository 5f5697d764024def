"""The house in order: rooms of the tests mirror the package's, files stay short, names lead where they say."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import tokenlab
from tests.notebooks.execute import ROOT

PACKAGE, TESTS = ROOT / "tokenlab", ROOT / "tests"
#: Rooms of the tests that are about something else than the package's code.
OTHER_ROOMS = {"assignments", "benchmarks", "book", "claims", "notebooks", "real", "support"}
#: Test files that are about a whole room, and what of it.
WHOLE_ROOM = {
    "bytelevel/masses/test_compiled.py": "its kernels, compiled",
    "bytelevel/masses/test_masses.py": "api, reference and kernels give the same",
    "bytelevel/model/test_layouts.py": "the layouts of widely used tokenizers, each by enumeration",
    "bytelevel/model/test_leading_spaces.py": "which text a token sequence is, by enumeration",
    "chapters/bytelevel/test_derive_notebook.py": "code that its notebook shows",
    "chapters/bytelevel/exact/test_mistakes.py": "mistakes planted in it, and bad input",
    "chapters/bytelevel/experiments/test_results.py": "its commands, and what they wrote",
    "chapters/bytelevel/test_notebook_kernels.py": "kernels that its notebook shows",
    "chapters/sampling/test_notebook_kernels.py": "kernels that its notebook shows",
    "chapters/transport/experiments/test_results.py": "its commands, and what they wrote",
    "chapters/transport/test_notebook_kernels.py": "kernels that its notebook shows",
    "grading/test_choices.py": "choices, shapes, and what is not there",
    "chapters/transport/test_run_notebook.py": "answers that its notebook gives",
    "lm/test_command.py": "the command lines of train and corpus",
    "lm/test_families.py": "every family that transformers knows",
    "lm/test_import.py": "what importing it costs",
    "lm/test_resume.py": "training that is killed",
    "lm/test_shipped.py": "the lab models as they are shipped",
    "ops/test_bad_input.py": "errors of all operations",
    "ops/test_compiled.py": "its kernels, compiled",
    "ops/test_row_stats.py": "one operation in api, reference and kernels",
    "ops/test_sampling.py": "one operation in api, reference and kernels",
    "ops/test_top_k.py": "one operation in api, reference and kernels",
    "bytelevel/tasks/test_generation_config.py": "completions of all kinds, whatever a configuration says",
    "bytelevel/tasks/test_refused_texts.py": "texts that every entry refuses alike",
    "bytelevel/tokenizer/test_marks_after_added_tokens.py": "its rules and texts of any normal form",
    "bytelevel/model/test_extending.py": "its streams and its ensembles read several bytes alike",
    "bytelevel/model/test_rows.py": "tokens without a row in the model, and heads that do not show theirs",
    "ops/test_large_logits.py": "its api, reference and kernels at the ends of a dtype",
    "sampling/test_extremes.py": "its rules and generation at the ends of their ranges",
    "transport/node/test_improbable.py": "its rates and draws beside a token that is all but certain",
    "sampling/test_capped_gumbel.py": "one rule, which api and reference hold",
    "test_drift.py": "what runs it with the lowest and the newest versions",
    "test_house.py": "where everything stands",
    "test_package.py": "importing and installing",
    "test_readme.py": "what the README says",
    "test_results.py": "what autograd makes of the results of all wings",
    "transport/decoding/test_multi_draft.py": "decoding as a method of transformers' generate",
    "transport/node/test_compiled.py": "its kernels, compiled",
    "transport/node/test_kernel_agreement.py": "its kernels and its reference choose the same",
    "transport/node/test_properties.py": "its rules, on any pair of distributions",
}
#: What others may call by its private name, and what it is.
NO_OTHER_NAME = {
    "RowStats._fields": "public in every NamedTuple",
    "kernels._gumbel": "a device function, which a test's own kernel calls",
}
#: Lines of a file of the package.
LIMIT = 450


def sources(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def name(path: Path, folder: Path = PACKAGE) -> str:
    return path.relative_to(folder).as_posix()


def homeless(tests: list[str]) -> list[str]:
    """Test files without the module, or the room, that they are named for."""
    found = []
    for test in tests:
        *rooms, file = test.split("/")
        subject = PACKAGE.joinpath(*rooms, file.removeprefix("test_"))
        if (rooms[:1] and rooms[0] in OTHER_ROOMS) or test in WHOLE_ROOM:
            continue
        if not subject.exists() and not subject.with_suffix("").is_dir():
            found.append(test)
    return found


def test_rooms_of_the_tests_are_the_packages():
    tests = [name(path, TESTS) for path in sources(TESTS) if path.name.startswith("test_")]
    assert homeless(tests) == []
    assert set(WHOLE_ROOM) <= set(tests), "an exception is not needed any more"
    # Planted: a room that the package lacks, a test of a module that is not there.
    planted = ["transport/roof/test_verify.py", "ops/test_sorting.py"]
    assert homeless(planted) == planted


def test_files_are_short():
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {file: length for file, length in lengths.items() if length > LIMIT} == {}


def modules() -> Iterator[ModuleType]:
    yield tokenlab
    for found in pkgutil.walk_packages(tokenlab.__path__, "tokenlab."):
        if found.name.rpartition(".")[2] not in ("kernels", "tiles"):
            yield importlib.import_module(found.name)


def test_no_name_hides_a_module():
    """``tokenlab.x.y`` is a module wherever ``y`` is a file or a folder of ``x``."""
    hidden = []
    for module in modules():
        for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
            value = getattr(module, found.name, None)
            if value is not None and not isinstance(value, ModuleType):
                hidden.append(f"{module.__name__}.{found.name}")
    assert hidden == []


def test_public_names_are_there():
    for module in modules():
        for public in getattr(module, "__all__", ()):
            assert not public.startswith("_") or public == "__version__"
            getattr(module, public)


def borrowed(source: str) -> list[str]:
    """Private names that a module takes from another of the package: imported, or named by a path."""
    tree, found, bound = ast.parse(source), [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and re.match(r"tokenlab\b", node.module or ""):
            bound |= {alias.asname or alias.name for alias in node.names}
            found += [f"{node.module}.{alias.name}" for alias in node.names if alias.name.startswith("_")]
        elif isinstance(node, ast.Import):
            names = [alias for alias in node.names if re.match(r"tokenlab\b", alias.name)]
            bound |= {alias.asname or "tokenlab" for alias in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr) and root(node) in bound:
            found.append(ast.unparse(node))
    return found


def root(node: ast.expr) -> str:
    """``a`` of ``a.b.c``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", [*sources(), *sources(TESTS)], ids=lambda path: name(path, ROOT))
def test_no_private_name_is_borrowed(path: Path):
    assert set(borrowed(path.read_text(encoding="utf-8"))) <= set(NO_OTHER_NAME)


def test_borrowed_names_are_found():
    source = """
import tokenlab
import tokenlab.errors as errors
from tokenlab.ops.api import _check, top_k
def test():
    from tokenlab.ops import kernels as module
    module.Row._open, errors._named, tokenlab.lm._load, top_k._x.y, top_k.__doc__, module.row_stats, other._x
"""
    planted = ["module.Row._open", "errors._named", "tokenlab.lm._load", "top_k._x"]
    assert sorted(borrowed(source)) == sorted(["tokenlab.ops.api._check", *planted])


@pytest.mark.parametrize("path", sources(), ids=name)
def test_a_file_says_what_it_is_for(path: Path):
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source))
    assert not re.search(r"^\s*# ?[-=]{3,}", source, re.M), "a banner marks where a file should be split"
