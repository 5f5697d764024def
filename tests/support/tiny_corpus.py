"""A tiny corpus, recipe and library, so that the tests read neither Python's nor the held-out text."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

from tokenlab.lm.corpus import Document
from tokenlab.lm.recipes import Recipe

RECIPE = Recipe(
    "tiny",
    "byte_level",
    layers=2,
    hidden=16,
    heads=2,
    feed_forward=32,
    steps=30,
    batch_size=8,
    context=32,
    learning_rate=5e-3,
    embedding_learning_rate=5e-3,
    warmup_steps=3,
)
VOCAB_SIZE = 300
WORDS = (
    "count", "total", "name", "value", "line", "word", "list", "open", "close", "read", "write", "sort",
    "find", "item", "index",
)  # fmt: skip


def documents(seed: int = 0) -> list[Document]:
    """Small programs and prose; the last one of each kind is held out."""
    rng = random.Random(seed)
    word = lambda: rng.choice(WORDS)  # noqa: E731
    found = []
    for i in range(12):
        lines = [
            f"def {word()}_{word()}({word()}):\n    return {word()} + {rng.randrange(10)}" for _ in range(20)
        ]
        found.append(Document(f"m{i}.py", "source", "\n\n".join(lines) + "\n", i == 11))
    for i in range(8):
        sentences = [f"The {word()} of the {word()} is not a {word()}." for _ in range(20)]
        found.append(Document(f"t{i}", "english", " ".join(sentences) + "\n", i == 7))
    return found


def write_inputs(folder: Path, recipe: Recipe, texts: list[Document], tokenizer) -> None:
    """What a training process of a test reads (see :func:`read_inputs`)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe)))
    (folder / "documents.json").write_text(json.dumps([dataclasses.asdict(text) for text in texts]))
    tokenizer.save_pretrained(folder / "tokenizer")


def read_inputs(folder: Path):
    from transformers import AutoTokenizer

    recipe = Recipe(**json.loads((folder / "recipe.json").read_text()))
    texts = [Document(**entry) for entry in json.loads((folder / "documents.json").read_text())]
    return recipe, texts, AutoTokenizer.from_pretrained(folder / "tokenizer")


def write_library(root: Path) -> Path:
    """A folder that looks like a Python library: two kinds of text, and files that must be left out."""
    doc = '"""Say what the module does, in a sentence that is long enough."""\n\n'
    body = '    """Give back the number {i}, and nothing else at all, ever."""\n    return {i}\n'
    function = "def {name}():\n" + body
    topics = {f"topic{i}": f"Topic {i} says this. " * 30 for i in range(40)}
    files = {
        f"m{i:02d}.py": doc + "\n\n".join(function.format(name=w, i=i) for w in WORDS) for i in range(30)
    }
    files |= {
        "plain.py": "x = 1\n",
        "package/inner.py": "y = 2\t# tab\r\n\r\n\r\n",
        "pydoc_data/topics.py": f"topics = {topics!r}\n",
        # Left out:
        "test/test_m.py": "assert True\n",
        "package/tests/test_n.py": "assert True\n",
        "site-packages/other.py": "z = 3\n",
        "__pycache__/cached.py": "z = 3\n",
        "encodings/cp0.py": "z = 3\n",
        "keyword.py": "kwlist = []\n",
        "html/entities.py": "html5 = {}\n",
        "_sysconfigdata__linux.py": "v = {}\n",
        "notes.txt": "no source\n",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    return root
