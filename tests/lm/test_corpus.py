"""The list of files, the split, the frozen texts. No test reads the running interpreter's library."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from tests.support import tiny_corpus as tiny
from tokenlab.errors import CorpusError
from tokenlab.lm import corpus

#: One digest over all held-out files: names and contents (see ``heldout_digest``).
HELDOUT_SHA256 = "178defeb225c807e16f5f25ae7e1a6a00f5012a5beff5f85acb11120597ba8e1"


@pytest.fixture
def library(tmp_path):
    return tiny.write_library(tmp_path / "lib")


@pytest.fixture
def manifest(library):
    return corpus.build_manifest(library)


def heldout_digest(folder) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def test_manifest_lists_the_files_that_belong(library, manifest):
    paths = [file["path"] for file in manifest["files"]]
    wanted = [f"m{i:02d}.py" for i in range(30)] + ["package/inner.py", "plain.py", "pydoc_data/topics.py"]
    assert paths == sorted(wanted)
    plain = next(file for file in manifest["files"] if file["path"] == "plain.py")
    assert plain == {"path": "plain.py", "bytes": 6, "sha256": hashlib.sha256(b"x = 1\n").hexdigest()}


@pytest.mark.parametrize("folder", sorted(corpus.EXCLUDED_PARTS))
def test_excluded_folders(library, folder):
    before = corpus.library_files(library)
    for path in (library / folder / "a.py", library / "package" / folder / "deep" / "b.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    assert corpus.library_files(library) == before


@pytest.mark.parametrize("path", sorted(corpus.EXCLUDED_FILES))
def test_excluded_files(library, path):
    before = corpus.library_files(library)
    (library / path).parent.mkdir(parents=True, exist_ok=True)
    (library / path).write_text("x = 1\n")
    (library / "package" / path).parent.mkdir(parents=True, exist_ok=True)
    (library / "package" / path).write_text("x = 1\n")
    assert set(corpus.library_files(library)) - set(before) == {f"package/{path}"}


def test_a_folder_named_like_a_file_and_a_dead_link_are_no_files(library):
    before = corpus.library_files(library)
    (library / "folder.py").mkdir()
    (library / "dead.py").symlink_to(library / "nowhere.py")
    assert corpus.library_files(library) == before
    corpus.build_manifest(library)


def test_equal_library_has_no_difference(library, manifest):
    difference = corpus.compare_library(manifest, library)
    assert not difference
    assert difference == ([], [], [])
    assert difference.summary() == ""


def test_difference_names_missing_changed_and_extra(library, manifest):
    (library / "plain.py").unlink()
    (library / "m03.py").write_text("changed = True\n")
    (library / "m01.py").write_text("changed = True\n")
    (library / "new.py").write_text("extra = True\n")
    difference = corpus.compare_library(manifest, library)
    assert difference
    assert difference == (["plain.py"], ["m01.py", "m03.py"], ["new.py"])
    assert difference.summary() == "1 missing: plain.py\n2 changed: m01.py, m03.py\n1 extra: new.py"


def test_summary_names_five_files_and_counts_all(library, manifest, tmp_path):
    difference = corpus.compare_library(manifest, tmp_path / "nowhere")
    assert difference.summary() == "33 missing: m00.py, m01.py, m02.py, m03.py, m04.py, ..."


def test_frozen_manifest_is_well_formed():
    manifest = corpus.load_manifest()
    assert manifest.keys() == {"python", "files"}
    assert re.fullmatch(r"3\.\d+\.\d+", manifest["python"])
    files = manifest["files"]
    paths = [file["path"] for file in files]
    assert paths == sorted(set(paths))
    assert len(paths) > 400
    assert corpus.TOPICS in paths
    for file in files:
        assert file.keys() == {"path", "bytes", "sha256"}
        assert re.fullmatch(r"[\w./-]+\.py", file["path"])
        assert not file["path"].startswith(("/", "."))
        assert re.fullmatch(r"[0-9a-f]{64}", file["sha256"])
        assert corpus.EXCLUDED_PARTS.isdisjoint(file["path"].split("/"))
        assert file["path"] not in corpus.EXCLUDED_FILES
        # An empty file is the only one of its digest.
        assert (file["bytes"] == 0) == (file["sha256"] == hashlib.sha256(b"").hexdigest())
    assert sum(file["bytes"] for file in files) > 8_000_000


def test_kinds_and_order(library, manifest):
    documents = corpus.read_library(library, manifest)
    assert documents == corpus.read_library(library, manifest)
    by_path = {document.path: document for document in documents}
    assert len(by_path) == len(documents)
    assert {d.path for d in documents if d.kind == "source"} == {
        file["path"] for file in manifest["files"] if file["path"] != corpus.TOPICS
    }
    english = {d.path for d in documents if d.kind == "english"}
    topics = {f"{corpus.TOPICS}#topic{i}" for i in range(40)}
    # A file without docstrings gives an empty line: the lab models were trained on this text.
    without = {"plain.py#doc", "package/inner.py#doc"}
    assert english == topics | without | {f"m{i:02d}.py#doc" for i in range(30)}
    assert all(by_path[path].text == "\n" for path in without)
    assert by_path["plain.py"].text == "x = 1\n"
    assert by_path["package/inner.py"].text == "y = 2   # tab\n"
    assert by_path[f"{corpus.TOPICS}#topic7"].text == ("Topic 7 says this. " * 30).strip() + "\n"
    assert by_path["m05.py#doc"].text.startswith("Say what the module does, in a sentence that")
    assert "Give back the number 5, and nothing" in by_path["m05.py#doc"].text
    assert "return" not in by_path["m05.py#doc"].text


def test_split_is_stable_when_files_come_and_go(library, manifest):
    before = {d.path: d.heldout for d in corpus.read_library(library, manifest)}
    assert 0 < sum(before.values()) < len(before) / 2
    for i in range(0, 30, 2):
        (library / f"m{i:02d}.py").unlink()
    for i in range(20):
        (library / f"new{i}.py").write_text("x = 1\n")
    after = {d.path: d.heldout for d in corpus.read_library(library, corpus.build_manifest(library))}
    shared = before.keys() & after.keys()
    assert len(shared) > 50
    assert all(before[path] == after[path] for path in shared)


def test_split_does_not_depend_on_the_content(library, manifest):
    before = {d.path: d.heldout for d in corpus.read_library(library, manifest)}
    for i in range(30):
        (library / f"m{i:02d}.py").write_text('"""A docstring of more than forty characters, I hope."""\n')
    after = {d.path: d.heldout for d in corpus.read_library(library, corpus.build_manifest(library))}
    assert before == after


def test_docstrings_of_a_file_fall_on_its_side(library, manifest):
    side = {d.path: d.heldout for d in corpus.read_library(library, manifest)}
    assert all(side[f"m{i:02d}.py"] == side[f"m{i:02d}.py#doc"] for i in range(30))


def test_share_of_the_split_over_the_frozen_paths():
    paths = [file["path"] for file in corpus.load_manifest()["files"]]
    share = sum(corpus.is_heldout(path) for path in paths) / len(paths)
    assert 0.02 < share < 0.09


def test_docstrings():
    long = "A sentence that has, without any doubt, more than forty characters."
    source = (
        f'"""{long}\n\n    Indented.\n"""\n'
        f'class A:\n    """{long}\n\n    Second line.\n    """\n'
        f'    def f(self):\n        """Too short."""\n'
        f'    async def g(self):\n        "{long} G"\n'
        f'x = "{long} not a docstring"\n'
    )
    text = corpus.docstrings(source)
    assert text.count(long) == 3
    assert "\nSecond line.\n" in text
    assert "Too short" not in text
    assert "not a docstring" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("source", ["", "def broken(:\n", "x = 1\n\0", 'print "two"\n'])
def test_no_docstrings(source):
    assert corpus.docstrings(source).strip() == ""


def test_missing_file(library, manifest):
    (library / "m07.py").unlink()
    with pytest.raises(CorpusError, match=r"m07\.py cannot be read from .*lib"):
        corpus.read_library(library, manifest)


def test_missing_topics(library, manifest):
    (library / corpus.TOPICS).unlink()
    with pytest.raises(CorpusError, match=r"topics\.py cannot be read"):
        corpus.read_library(library, manifest)


def test_undecodable_file(library):
    (library / "latin.py").write_bytes("# Grüße\n".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"latin\.py cannot be read"):
        corpus.read_library(library, corpus.build_manifest(library))


def test_heldout_text_is_frozen():
    assert heldout_digest(corpus.HELDOUT) == HELDOUT_SHA256


def test_the_digest_sees_one_changed_byte(tmp_path):
    (tmp_path / "a.txt").write_text("text\n")
    before = heldout_digest(tmp_path)
    (tmp_path / "a.txt").write_text("texT\n")
    assert heldout_digest(tmp_path) != before


@pytest.mark.parametrize("kind", corpus.KINDS)
def test_heldout_files(kind):
    files = corpus.heldout_files(kind)
    assert [name for name, _ in files] == sorted(name for name, _ in files)
    assert corpus.heldout_text(kind) == "".join(text for _, text in files)
    assert 25_000 < len(corpus.heldout_text(kind).encode()) < 40_000
    for _, text in files:
        assert text.endswith("\n")
        assert "\r" not in text


def test_heldout_programs_compile():
    for name, text in corpus.heldout_files("source"):
        compile(text, name, "exec")


def test_heldout_files_are_no_corpus_files():
    digests = {file["sha256"] for file in corpus.load_manifest()["files"]}
    for kind in corpus.KINDS:
        for _, text in corpus.heldout_files(kind):
            assert hashlib.sha256(text.encode()).hexdigest() not in digests


def test_prompts():
    prompts = corpus.prompts()
    assert len({prompt["id"] for prompt in prompts}) == len(prompts)
    assert all(prompt.keys() == {"id", "kind", "text"} for prompt in prompts)
    assert all(prompt["text"].strip() == prompt["text"] for prompt in prompts)
    for kind in corpus.KINDS:
        assert corpus.prompts(kind) == [prompt for prompt in prompts if prompt["kind"] == kind]
        assert len(corpus.prompts(kind)) >= 10
    assert "def read_config(path):" in [prompt["text"] for prompt in corpus.prompts("source")]
    assert 'The "with" statement' in [prompt["text"] for prompt in corpus.prompts("english")]


def test_prompts_are_not_in_the_heldout_text():
    for kind in corpus.KINDS:
        assert not [p["text"] for p in corpus.prompts(kind) if p["text"] in corpus.heldout_text(kind)]


def test_manifest_command_writes_what_it_would_compare(library, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "MANIFEST", tmp_path / "corpus.json")
    corpus.MANIFEST.write_text(json.dumps(corpus.build_manifest(library), indent=0) + "\n")
    assert not corpus.compare_library(corpus.load_manifest(), library)
