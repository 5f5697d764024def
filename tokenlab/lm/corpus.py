"""The text that the lab models learn from, and the text that they are judged on.

They learn from Python's standard library: its source, and English from its docstrings and its language
reference. ``assets/corpus.json`` freezes the files by SHA-256; only ``python -m tokenlab.lm.train`` reads
them. The text in ``assets/heldout`` was written for this project.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import platform
import runpy
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from tokenlab.commands import RUNS, add_output, check_free, command_parser, run_command
from tokenlab.errors import CorpusError

Kind = Literal["source", "english"]
KINDS: tuple[Kind, ...] = ("source", "english")

ASSETS = Path(__file__).parent.parent / "assets"
MANIFEST = ASSETS / "corpus.json"
HELDOUT = ASSETS / "heldout"
TOPICS = "pydoc_data/topics.py"

#: Folders with tests, packages of other projects, and tables made by programs.
EXCLUDED_PARTS = {
    "__pycache__",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idle_test",
    "encodings",
    "ensurepip",
}
EXCLUDED_FILES = {
    "html/entities.py",
    "keyword.py",
    "lib2to3/pygram.py",
    "msilib/schema.py",
    "msilib/sequence.py",
    "re/_casefix.py",
    "stringprep.py",
    "token.py",
}
SPLIT_PERCENT = 5


@dataclass(frozen=True)
class Document:
    """One text: its origin, its kind, and whether it is held out from training."""

    path: str
    kind: Kind
    text: str
    heldout: bool


class LibraryDifference(NamedTuple):
    """Files in which a library differs from the manifest: sorted relative paths."""

    missing: list[str]
    changed: list[str]
    extra: list[str]

    def __bool__(self) -> bool:
        return any(self)

    def summary(self) -> str:
        """A line for each kind of difference, with up to five files."""
        lines = []
        for label, paths in zip(self._fields, self, strict=True):
            if paths:
                names = ", ".join(paths[:5]) + (", ..." if len(paths) > 5 else "")
                lines.append(f"{len(paths)} {label}: {names}")
        return "\n".join(lines)


def library_root() -> Path:
    return Path(sysconfig.get_paths()["stdlib"])


def library_files(root: Path) -> list[str]:
    """Relative paths of the corpus files, sorted."""
    paths = (path.relative_to(root) for path in root.rglob("*.py") if path.is_file())
    return sorted(
        path.as_posix()
        for path in paths
        if EXCLUDED_PARTS.isdisjoint(path.parts)
        and path.as_posix() not in EXCLUDED_FILES
        and not path.name.startswith("_sysconfigdata")
    )


def build_manifest(root: Path | None = None) -> dict:
    """Path, size and SHA-256 of every corpus file: what ``corpus.json`` freezes."""
    root = root or library_root()
    files = []
    for path in library_files(root):
        content = (root / path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        files.append({"path": path, "bytes": len(content), "sha256": digest})
    return {"python": platform.python_version(), "files": files}


def load_manifest() -> dict:
    return json.loads(MANIFEST.read_text())


def compare_library(manifest: dict, root: Path | None = None) -> LibraryDifference:
    """Compare a library with a manifest, file by file."""
    frozen = {file["path"]: file["sha256"] for file in manifest["files"]}
    found = {file["path"]: file["sha256"] for file in build_manifest(root)["files"]}
    return LibraryDifference(
        missing=sorted(frozen.keys() - found.keys()),
        changed=sorted(p for p in frozen.keys() & found.keys() if frozen[p] != found[p]),
        extra=sorted(found.keys() - frozen.keys()),
    )


def read_library(root: Path | None = None, manifest: dict | None = None) -> list[Document]:
    """The manifest's files as documents, in its order.

    A source file gives a ``source`` document and, if it can be parsed, an ``english`` one of its
    docstrings, on the same side of the split; the language reference gives one for each topic.
    CorpusError: if a file is missing or cannot be decoded.
    """
    root = root or library_root()
    documents = []
    for file in (manifest or load_manifest())["files"]:
        path = file["path"]
        try:
            text = (root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"corpus file {path} cannot be read from {root}: {error}") from error
        if path == TOPICS:
            topics = runpy.run_path(str(root / path))["topics"]
            for name in sorted(topics):
                source = f"{path}#{name}"
                documents.append(Document(source, "english", _tidy(topics[name]), is_heldout(source)))
            continue
        documents.append(Document(path, "source", _tidy(text), is_heldout(path)))
        if english := docstrings(text):
            documents.append(Document(f"{path}#doc", "english", english, is_heldout(path)))
    return documents


def fingerprint(documents: Sequence[Document]) -> str:
    """SHA-256 of documents in order: paths, sides of the split, texts."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(f"{document.path}\0{document.heldout}\0{document.text}\0".encode())
    return digest.hexdigest()


def docstrings(source: str) -> str:
    """The longer docstrings of a source, joined by blank lines; empty if it cannot be parsed."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, owners)]
    return _tidy("\n\n".join(inspect.cleandoc(text) for text in texts if text and len(text) >= 40))


def heldout_text(kind: Kind) -> str:
    """The held-out files of one kind, joined.

    >>> heldout_text("english").isascii()
    False
    """
    return "".join(text for _, text in heldout_files(kind))


def heldout_files(kind: Kind) -> list[tuple[str, str]]:
    """Name and text of each held-out file, by name."""
    suffix = {"source": "*.py", "english": "*.txt"}[kind]
    return [(p.name, p.read_text(encoding="utf-8")) for p in sorted((HELDOUT / kind).glob(suffix))]


def prompts(kind: Kind | None = None) -> list[dict]:
    """The frozen prompts: dictionaries with ``id``, ``kind`` and ``text``."""
    entries = json.loads((HELDOUT / "prompts.json").read_text(encoding="utf-8"))["prompts"]
    return [entry for entry in entries if kind in (None, entry["kind"])]


def is_heldout(path: str) -> bool:
    """By a hash of the path: a file keeps its side when others come and go."""
    return int(hashlib.sha256(path.encode()).hexdigest(), 16) % 100 < SPLIT_PERCENT


def _tidy(text: str) -> str:
    """Unix newlines, no trailing blanks, one newline at the end."""
    lines = [line.rstrip() for line in text.expandtabs(8).splitlines()]
    return "\n".join(lines).strip("\n") + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: list the files of a library, as ``assets/corpus.json`` does."""
    about = "Write the manifest of a Python library: the files that lab models learn from, and their SHA-256."
    parser = command_parser("tokenlab.lm.corpus", about)
    parser.add_argument("--library", type=Path, default=library_root(), help="Python library to read")
    add_output(parser, RUNS / MANIFEST.name, "file of the manifest")
    options = parser.parse_args(arguments)
    check_free([options.output], overwrite=options.overwrite)
    manifest = json.dumps(build_manifest(options.library), indent=0) + "\n"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(manifest)


if __name__ == "__main__":
    run_command(main)
