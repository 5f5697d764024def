"""Importing the package is light, silent, and leaves network and GPU alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

MODULES = sorted(path.stem for path in (Path(__file__).parents[2] / "tokenlab" / "lm").glob("[a-z]*.py"))
HEAVY = ("transformers", "tokenizers", "accelerate", "scipy", "matplotlib", "triton")
CODE = """
import sys, socket, time
import torch
before = set(sys.modules)
def refuse(*arguments, **keywords):
    raise SystemExit("the import touched the network")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
started = time.perf_counter()
{imports}
seconds = time.perf_counter() - started
heavy = [name for name in {heavy} if name in sys.modules and name not in before]
assert not heavy, heavy
assert not torch.cuda.is_initialized()
{report}
"""


def run(imports: str, report: str = "") -> subprocess.CompletedProcess:
    code = CODE.format(imports=imports, heavy=HEAVY, report=report)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)


def test_import_is_light_and_silent(tmp_path):
    imports = "import tokenlab, tokenlab.lm\n" + "\n".join(f"import tokenlab.lm.{name}" for name in MODULES)
    path = tmp_path / "seconds"
    done = run(imports, f"open({str(path)!r}, 'w').write(f'{{seconds:.2f}}')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    print(f"tokenlab, tokenlab.lm and all its modules: {path.read_text()} s beyond torch")


def test_the_check_sees_what_it_looks_for():
    connect = "try: socket.create_connection(('localhost', 9))\nexcept SystemExit as error: print(error)"
    done = run(connect + "\nimport scipy")
    assert done.returncode != 0
    assert done.stdout == "the import touched the network\n"
    assert "AssertionError: ['scipy']" in done.stderr


def test_names():
    import tokenlab.lm

    for name in tokenlab.lm.__all__:
        assert getattr(tokenlab.lm, name) is not None
    assert callable(tokenlab.lm.load)
