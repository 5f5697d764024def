"""``make drift``: the README's examples and a smoke selection with the lowest and the newest versions.

``pyproject.toml`` gives lower bounds; the book and all other tests run with what ``requirements.txt`` pins.
Two environments, made anew each time, hold the ends of the range: ``.venv-lowest`` has each dependency at its
bound, ``.venv-newest`` what a reader gets who installs the package today. uv resolves both, because pip cannot
ask for the lowest.

torch is the one of this environment, in both: where the index has no CPU builds, another one would bring
gigabytes of CUDA. With ``--torch-index`` it is the lowest and the newest that this index has.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import time
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tests.support.fresh import canonical, install_package, outside

ROOT = Path(__file__).parents[1]


class Environment(NamedTuple):
    """One end of the range: its name, how uv resolves it, and which extras are installed."""

    name: str
    resolution: str
    extras: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return ROOT / f".venv-{self.name}"

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / "python"


# Without `teach` in the lowest: otter-grader asks for newer widgets than the package does.
LOWEST = Environment("lowest", "lowest-direct", ("train", "gpu"))
NEWEST = Environment("newest", "highest", ("train", "gpu", "teach"))
#: What runs the tests; it is not what is tested, and stays as pinned.
TOOLS = ("pytest", "pytest-xdist", "hypothesis")
#: Where the package meets another project, and a generation of each wing: about a minute on two cores.
SMOKE = [
    "tests/test_readme.py",  # each example in a process of its own, with the package as it is installed
    # models: loading, configurations, caches, wrappers, masks
    *("tests/lm/test_loading.py", "tests/lm/test_forward.py", "tests/lm/test_contract.py"),
    *("tests/lm/test_text_reader.py", "tests/lm/test_unwrap.py", "tests/lm/test_limits.py"),
    *("tests/lm/test_generation_settings.py", "tests/lm/test_prompting.py", "tests/lm/test_checkpoints.py"),
    # tokenizers
    *("tests/lm/test_tokenizers.py", "tests/bytelevel/tokenizer/test_reading.py"),
    "tests/bytelevel/tokenizer/test_added_tokens.py",
    # each wing on a model, and as a part of transformers' generate
    *("tests/sampling/test_generation.py", "tests/sampling/test_processors.py"),
    *("tests/transport/decoding/test_generate.py", "tests/transport/decoding/test_compatibility.py"),
    *("tests/transport/decoding/test_tree_cache.py", "tests/transport/decoding/test_multi_draft.py"),
    *("tests/bytelevel/model/test_byte_lm.py", "tests/bytelevel/model/test_cached_reader.py"),
    *("tests/bytelevel/model/test_uncached_reader.py", "tests/bytelevel/model/test_streams.py"),
    # kernels interpreted, scipy's linear program, pictures, tables
    *("tests/ops/test_row_stats.py", "tests/transport/node/test_optimum.py"),
    *("tests/figures/test_showing.py", "tests/test_tables.py"),
]
#: Where otter-grader is installed too.
TEACHING = ["tests/grading/test_build.py"]
#: Options of pip, which a machine may set for all its users, and what uv calls them.
OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "constraint": "--constraints",
    "trusted-host": "--allow-insecure-host",
}


def configured() -> list[str]:
    """What pip is told about indexes by files and variables, as arguments for uv, which reads neither."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, capture_output=True, text=True, check=True).stdout
    return translated(listed)


def translated(listed: str) -> list[str]:
    """The lines of ``pip config list`` as arguments for uv.

    As in pip, a variable comes before a section of the command, and that before the section for all.
    """
    found = {}
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                found[key.removeprefix(f"{section}.")] = ast.literal_eval(value)
    return [
        argument
        for name, option in OPTIONS.items()
        for value in found.get(name, "").split()
        for argument in (option, value)
    ]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def bounds(*extras: str) -> dict[str, Version]:
    """Lower bound of each package that ``tokenlab[extras]`` names."""
    lines = list(project()["dependencies"])
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    wanted = [item for item in map(Requirement, lines) if not item.marker or item.marker.evaluate()]
    return {canonical(item.name): Version(bound.version) for item in wanted for bound in item.specifier}


def pins() -> dict[str, Version]:
    """Version of each package that ``requirements.txt`` pins."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonical(item.name): Version(pin.version) for item in pinned for pin in item.specifier}


def install(environment: Environment, torch_index: str | None) -> None:
    """The environment, made anew."""
    from uv import find_uv_bin

    uv = (find_uv_bin(), "--quiet")
    # As pip does, uv shall look for the best version in all indexes, not only in the first that has any.
    # Only wheels: nobody's old sources are built here.
    into = ("pip", "install", "--python", str(environment.python), "--resolution", environment.resolution)
    rules = ("--index-strategy", "unsafe-best-match", "--only-binary", ":all:")
    run(*uv, "venv", "--clear", "--python", sys.executable, str(environment.folder))
    if torch_index:
        (wanted,) = [line for line in project()["dependencies"] if Requirement(line).name == "torch"]
        run(*uv, *into, *rules, "--default-index", torch_index, "--no-deps", wanted)
    torch = installed(environment)["torch"] if torch_index else metadata.version("torch")
    constraints = environment.folder / "constraints.txt"
    tools = [f"{name}=={pins()[name]}" for name in TOOLS]
    constraints.write_text("\n".join([f"torch=={torch}", *tools]), encoding="utf-8")
    extras = [argument for extra in environment.extras for argument in ("--extra", extra)]
    index = ["--index", torch_index] if torch_index else []
    wanted = ["--constraints", str(constraints), *extras, "-r", str(ROOT / "pyproject.toml"), *TOOLS]
    run(*uv, *into, *rules, *configured(), *index, *wanted)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    install_package(Path(run(str(environment.python), "-c", code, capture_output=True).stdout.strip()))


def run(*command: str, **options: bool) -> subprocess.CompletedProcess[str]:
    """What a command gives that must succeed."""
    return subprocess.run(command, cwd=ROOT, env=outside(), text=True, check=True, **options)


def installed(environment: Environment) -> dict[str, Version]:
    """Version of each package that an environment has."""
    code = "import json, importlib.metadata as m; print(json.dumps([(d.name, d.version) for d in m.distributions()]))"
    listed = run(str(environment.python), "-c", code, capture_output=True).stdout
    return {canonical(name): Version(version) for name, version in json.loads(listed)}


def compared(environment: Environment, here: dict[str, Version]) -> tuple[list[str], list[str]]:
    """A table of the versions, and the packages among them that are not at the end of the range.

    The lowest are the bounds: one that other packages' bounds exclude says nothing and should be raised.
    The newest are never older than the pinned ones, which were the newest once.
    """
    pinned, low = pins(), bounds(*environment.extras)
    table, astray = [f"{'':24}{'bound':>10}{'pinned':>10}  {environment.name}"], []
    # For a later Python than the first there may be no wheel of a package's first version.
    (python,) = SpecifierSet(project()["requires-python"])
    first = Version(python.version).release == sys.version_info[:2]
    for name, bound in sorted(low.items()):
        if environment is LOWEST:
            meant = here[name] == bound or name == "torch" or (not first and here[name] > bound)
        else:
            meant = Version(here[name].public) >= pinned[name]
        note = "  as in .venv, or as the index of torch has it" if name == "torch" else ""
        table.append(f"{name:24}{bound!s:>10}{pinned[name]!s:>10}  {here[name]}{note}")
        if not meant:
            astray.append(name)
    return table, astray


def works(environment: Environment, torch_index: str | None, workers: int) -> bool:
    """Install one environment and run the selection in it; say how it went."""
    started = time.monotonic()
    try:
        install(environment, torch_index)
    except subprocess.CalledProcessError:
        say(f"the {environment.name} versions CANNOT BE INSTALLED together")
        return False
    table, astray = compared(environment, installed(environment))
    say(f"the {environment.name} versions, installed in {time.monotonic() - started:.0f} s", *table)
    if astray:
        say(f"these are NOT THE {environment.name.upper()} that the bounds admit: {', '.join(astray)}")
    started = time.monotonic()
    pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=8")
    spread = ("-n", str(workers), "--dist", "loadfile")
    tests = [*(TEACHING if "teach" in environment.extras else ()), *SMOKE]
    done = subprocess.run([environment.python, *pytest, *spread, *tests], cwd=ROOT, env=outside())
    result = "passed" if done.returncode == 0 else "FAILED"
    say(f"the tests {result} with the {environment.name} versions, {time.monotonic() - started:.0f} s")
    return done.returncode == 0 and not astray


def say(*lines: str) -> None:
    print("\ndrift: " + "\n       ".join(lines), flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drift", description=__doc__.splitlines()[0])
    parser.add_argument("--torch-index", help="an index of CPU builds, to try both ends of torch's range")
    parser.add_argument(
        "--newest", choices=("fail", "report"), default="fail", help="what a fault with the newest does"
    )
    parser.add_argument("--workers", type=int, default=2, help="test processes")
    options = parser.parse_args(arguments)
    lowest, newest = (works(each, options.torch_index, options.workers) for each in (LOWEST, NEWEST))
    if not newest:
        say(
            "===== THE NEWEST VERSIONS BREAK THE PACKAGE =====",
            "Readers who install it today meet the failures above. Mend the package, or, until that is done,",
            "let pyproject.toml exclude the version and say why there.",
        )
    return 0 if lowest and (newest or options.newest == "report") else 1


if __name__ == "__main__":
    sys.exit(main())
