"""Who answers a call: every combination of request, device, kernel and Triton."""

import subprocess
import sys

import pytest
import torch

from tests.support.backends import DEVICE, NEEDS_TRITON
from tokenlab import backend
from tokenlab.backend import choose_backend, has_triton, interpreter_on
from tokenlab.errors import ArgumentError, BackendError, DtypeError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def triton(monkeypatch):
    """Set whether Triton is installed, whether its interpreter is on, and whether it is imported."""

    def set_to(installed, interpreter=False, imported=False, in_time=True):
        monkeypatch.setattr(backend, "has_triton", lambda: installed)
        monkeypatch.setattr(backend, "interpreter_ready", lambda: in_time)
        monkeypatch.setenv("TRITON_INTERPRET", "1" if interpreter else "0")
        monkeypatch.delitem(sys.modules, "triton", raising=False)
        if imported:
            monkeypatch.setitem(sys.modules, "triton", object())

    return set_to


def choose(name, device, has_kernel=True):
    reason = None if has_kernel else "of float64"
    return choose_backend(name, device, operation="row_stats", no_kernel_because=reason)


@pytest.mark.parametrize("device", [CPU, CUDA])
@pytest.mark.parametrize("interpreter", [False, True])
@pytest.mark.parametrize("installed", [False, True])
@pytest.mark.parametrize("has_kernel", [False, True])
def test_auto_and_reference_never_fail(triton, installed, interpreter, has_kernel, device):
    triton(installed, interpreter)
    assert choose("reference", device, has_kernel) == "reference"
    kernel = device == CUDA and installed and has_kernel
    assert choose("auto", device, has_kernel) == ("triton" if kernel else "reference")


def test_triton_runs_on_cuda_and_under_the_interpreter(triton):
    triton(installed=True)
    assert choose("triton", CUDA) == "triton"
    triton(installed=True, interpreter=True)
    assert choose("triton", CPU) == "triton"


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_triton_needs_a_kernel(triton, device):
    triton(installed=True, interpreter=True)
    with pytest.raises(BackendError, match="row_stats of float64 has no Triton kernel"):
        choose("triton", device, has_kernel=False)


@pytest.mark.parametrize("device", [CPU, CUDA])
def test_triton_needs_the_package(triton, device):
    triton(installed=False, interpreter=True)
    with pytest.raises(BackendError, match="row_stats.*not installed.*pip install triton"):
        choose("triton", device)


@pytest.mark.parametrize(
    ("imported", "hint"), [(False, "=1 and start again"), (True, "=1 before anything imports")]
)
def test_triton_on_the_cpu_needs_the_interpreter(triton, imported, hint):
    triton(installed=True, imported=imported)
    with pytest.raises(BackendError, match=f"interpreter; set TRITON_INTERPRET{hint}"):
        choose("triton", CPU)


def test_interpreter_switched_on_too_late(triton):
    triton(installed=True, interpreter=True, imported=True, in_time=False)
    with pytest.raises(BackendError, match="row_stats: TRITON_INTERPRET=1 was set too late.*restart"):
        choose("triton", CPU)
    assert choose("auto", CPU) == "reference"


@NEEDS_TRITON
@pytest.mark.interpreter
@pytest.mark.skipif(DEVICE == "cuda", reason="with a GPU kernels are compiled")
@pytest.mark.parametrize("late", [False, True])
def test_switch_in_a_fresh_process(late, root):
    """The real thing: transformers' model classes import triton before the switch, or after."""
    steps = ["from transformers import LlamaForCausalLM", "os.environ['TRITON_INTERPRET'] = '1'"]
    code = [
        "import os; os.environ.pop('TRITON_INTERPRET', None)",
        *(steps if late else reversed(steps)),
        "import torch",
        "from tokenlab.ops import row_stats",
        "print(row_stats(torch.tensor([0.0, 2.0]), ['argmax'], backend='triton').argmax.item())",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], cwd=root, capture_output=True, text=True)
    if late:
        assert done.returncode != 0 and "was set too late" in done.stderr
    else:
        assert done.stdout.strip() == "1", done.stderr


@pytest.mark.parametrize("name", ["Triton", ""])
def test_unknown_name(name):
    with pytest.raises(ArgumentError, match="backend is .*, expected one of 'auto', 'reference', 'triton'"):
        choose(name, CPU)


@pytest.mark.parametrize("name", [None, 1, ["auto"]])
def test_a_name_is_a_string(name):
    with pytest.raises(DtypeError, match="backend must be a string, found"):
        choose(name, CPU)


def test_environment(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not interpreter_on()
    for value, on in {"1": True, "True": True, "on": True, "0": False, "": False, "no": False}.items():
        monkeypatch.setenv("TRITON_INTERPRET", value)
        assert interpreter_on() is on
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    assert not has_triton()
