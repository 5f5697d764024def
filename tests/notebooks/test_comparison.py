"""The comparison of stored outputs does compare: a changed number fails, a new figure passes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

CELLS = {
    "number": ("print(f'{1 / 3:.3f}')", new_output("stream", name="stdout", text="0.333\n")),
    "value": ("1 + 1", new_output("execute_result", data={"text/plain": "2"}, execution_count=1)),
    "figure": (
        "from IPython.display import SVG, display\n"
        "display({'text/plain': 'Figure', 'image/svg+xml': '<svg><g/></svg>'}, raw=True)",
        new_output("display_data", data={"text/plain": "Figure", "image/svg+xml": "<svg><path/></svg>"}),
    ),
}


def write(path: Path, source: str, output) -> None:
    cell = new_code_cell(source, execution_count=1, outputs=[output])
    nbformat.write(new_notebook(cells=[cell]), path)


def test_changed_outputs_fail(root: Path, tmp_path: Path):
    for name, (source, output) in CELLS.items():
        write(tmp_path / f"same_{name}.ipynb", source, output)
    number = new_output("stream", name="stdout", text="0.334\n")
    write(tmp_path / "changed_number.ipynb", CELLS["number"][0], number)
    text = new_output("display_data", data={"text/plain": "Another", "image/svg+xml": "<svg></svg>"})
    write(tmp_path / "changed_figure_text.ipynb", CELLS["figure"][0], text)

    config = root / "tests" / "notebooks" / "sanitize.cfg"
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-rA", "--color=no", "-p", "no:cacheprovider", "-p", "no:xdist",
            "-c", "/dev/null", "--rootdir", str(tmp_path),
            "--nbval", "--nbval-sanitize-with", str(config), str(tmp_path),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    passed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("PASSED")}
    failed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert {Path(item.split("::")[0]).stem for item in passed} == {f"same_{name}" for name in CELLS}, (
        done.stdout
    )
    assert {Path(item.split("::")[0]).stem for item in failed} == {"changed_number", "changed_figure_text"}
