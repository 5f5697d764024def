"""Execute the book's notebooks in place, and draw the README's picture again.

``make notebooks``, or with paths for some notebooks only.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
TIMEOUT = 300
OPENING = ROOT / "book" / "_static" / "opening.svg"


def notebooks(root: Path = ROOT) -> list[Path]:
    """The book's notebooks; not the copies that a build makes, nor the assignments' masters."""
    skipped = {"_build", ".ipynb_checkpoints", "assignments"}
    return [path for path in sorted((root / "book").rglob("*.ipynb")) if not skipped & set(path.parts)]


def execute(path: Path) -> None:
    """Execute from top to bottom in a fresh kernel; write only if every cell succeeds."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    # What differs from one reader's Python to the next does not belong into git.
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def opening_picture() -> str:
    """The picture of the README: a frame of the book's first player, as a file of its own."""
    from tokenlab.chapters.sampling.opening import what_may_follow
    from tokenlab.figures import show

    (figure,), data = what_may_follow(temperatures=(1.4,))
    (alt,) = data["alt"]
    return show(figure, caption="The mass moves into the tail.", alt=alt)._repr_svg_() + "\n"


def main() -> None:
    paths = [Path(name).resolve() for name in sys.argv[1:]] or notebooks()
    OPENING.write_text(opening_picture(), encoding="utf-8")
    for path in paths:
        start = time.perf_counter()
        execute(path)
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        print(f"{name}: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
