"""The kernels of the assignments compile for a GPU, solved and as stubs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.assignments.conftest import code

COMPILE = """
import importlib.util, sys, torch
from tests.support.compile_only import compile_launch, recording

for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("cell", path)
    cell = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cell)
    with recording(cell) as launches:
        {launch}
    ((kernel, args, kwargs, grid),) = launches
    print(compile_launch(kernel, args, kwargs, grid)["loads"] > 0)
"""
#: How the kernel of each chapter is launched, where a question asks for one.
LAUNCHES = {
    "sampling": "cell.row_logsumexp(torch.zeros(3, 1000, dtype=torch.bfloat16), 256)",
    "transport": "cell.hockey_stick(torch.zeros(3, 1000), torch.zeros(3, 1000), torch.zeros(3), 256)",
}


def test_compiles_for_sm_90(made, root, tmp_path):
    kernels = [cell for cell in code(made.key) if "@triton.jit" in cell]
    assert len(kernels) == (made.chapter in LAUNCHES)
    if not kernels:
        return
    pytest.importorskip("triton", reason="Triton is not installed")
    paths = [tmp_path / "key.py", tmp_path / "stub.py"]
    for path, notebook in zip(paths, (made.key, made.student), strict=True):
        (source,) = (cell for cell in code(notebook) if "@triton.jit" in cell)
        imports = "import torch\nimport triton\nimport triton.language as tl"
        path.write_text(f"{imports}\n\n\n{source}\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", COMPILE.format(launch=LAUNCHES[made.chapter]), *paths]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Whether the rows are read: by the key they are, by the stub they are not.
    assert done.stdout.split() == ["True", "False"]
