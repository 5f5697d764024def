"""Compile Triton kernels for a GPU that is not there, and say what became of them.

A launcher is called on CPU tensors with its kernels replaced by recorders, so that what
is compiled is what would be launched: the same dtypes, constants and divisibilities.
Runs in a process without ``TRITON_INTERPRET`` (the tests start one): a process either
interprets or compiles.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

#: Vocabulary and row stride: as most models have it, as GPT-2 has it, and padded to 16.
LAYOUTS = {"aligned": (128_256, 128_256), "odd": (50_257, 50_257), "padded": (50_257, 50_272)}


SM90 = GPUTarget("cuda", 90, 32)


TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"


POINTERS = {
    torch.bfloat16: "*bf16",
    torch.float16: "*fp16",
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.int16: "*i16",
    torch.int32: "*i32",
    torch.int64: "*i64",
    torch.uint8: "*u8",
    torch.bool: "*i1",
}


#: Launches that differ in nothing the compiler sees are compiled once.
_COMPILED: dict[tuple[triton.JITFunction, str], dict[str, Any]] = {}


class Recorder:
    """Stands for a kernel; ``recorder[grid](...)`` keeps the arguments and launches nothing."""

    def __init__(self, kernel: triton.JITFunction, launches: list) -> None:
        self.kernel, self.launches = kernel, launches

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return lambda *args, **kwargs: self.launches.append((self.kernel, args, kwargs, grid))


@contextmanager
def recording(*modules: ModuleType) -> Iterator[list]:
    """Replace the kernels of these modules and collect their launches."""
    kernels = [
        (module, name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, triton.JITFunction) and name.endswith("_kernel")
    ]
    launches: list = []
    try:
        for module, name, kernel in kernels:
            setattr(module, name, Recorder(kernel, launches))
        yield launches
    finally:
        for module, name, kernel in kernels:
            setattr(module, name, kernel)


def compile_launch(
    kernel: triton.JITFunction, args: tuple, kwargs: dict[str, Any], grid: tuple[int, ...] = (1,)
) -> dict[str, Any]:
    """Compile one launch for sm_90; the facts that tests hold it to."""
    names = kernel.arg_names
    values = dict(zip(names, args, strict=False))
    values |= {name: value for name, value in kwargs.items() if name in names}
    options = {name: value for name, value in kwargs.items() if name not in names}
    signature, constants, attributes = {}, {}, {}
    for index, name in enumerate(names):
        value = values[name]
        if isinstance(value, torch.Tensor):
            signature[name] = POINTERS[value.dtype]
            divisible = value.data_ptr() % 16 == 0
        elif value is None or value == 1 or kernel.params[index].is_constexpr:
            signature[name] = "constexpr"
            constants[(index,)] = value
            continue
        elif isinstance(value, float):
            signature[name], divisible = "fp32", False
        else:
            signature[name] = "i32" if abs(value) < 2**31 else "i64"
            divisible = value % 16 == 0
        if divisible:
            attributes[(index,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    key = (kernel, repr((signature, constants, attributes, options)))
    if key not in _COMPILED:
        _COMPILED[key] = facts(triton.compile(source, target=SM90, options=options))
    return {"kernel": kernel.__name__, **_COMPILED[key]}


def facts(compiled) -> dict[str, Any]:
    """Registers and spills of a thread, its instructions, and how many loads bring 16 bytes."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        usage = _tool("cuobjdump", "--dump-resource-usage", file.name)
        sass = _tool("cuobjdump", "--dump-sass", file.name)
    instructions = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(.*?);", sass, re.M)
    loads = [text for text in instructions if re.search(r"\bLDG\b", text)]
    return {
        "warps": compiled.metadata.num_warps,
        "registers": int(re.search(r"REG:(\d+)", usage)[1]),
        "spills": sum(bool(re.search(r"\b(LDL|STL)\b", text)) for text in instructions),
        "shared": compiled.metadata.shared,
        "instructions": len(instructions),
        "loads": len(loads),
        "wide_loads": sum(".128" in text for text in loads),
    }


def _tool(name: str, *args: str) -> str:
    return subprocess.run([TOOLS / name, *args], capture_output=True, text=True, check=True).stdout


def facts_of(launch: tuple, **where) -> dict[str, Any]:
    """What the compiler made of a launch, and where the launch came from."""
    facts = where | compile_launch(*launch)
    # Programs that form a plane read whole rows, a tile each.
    _, _, options, grid = launch
    tile = options.get("TILE") if len(grid) == 2 else None
    return facts | {"tokens_per_thread": tile and tile // (32 * facts["warps"])}


def command_line(module: str, results: Path, launches: Callable[[], list[dict]]) -> None:
    """Print all launches as JSON; with ``--save`` write the file that the page of benchmarks shows."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--save", action="store_true", help=f"write {results.name}")
    options = parser.parse_args()
    found = launches()
    print(json.dumps(found))
    if options.save:
        result = {
            "command": f"python -m {module} --save",
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "device": "compiled for sm_90",
            "versions": {"python": platform.python_version(), "triton": triton.__version__},
            "launches": [launch for launch in found if launch["layout"] == "aligned"],
        }
        results.write_text(json.dumps(result, indent=1) + "\n")
