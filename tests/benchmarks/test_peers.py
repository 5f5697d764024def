"""``make peers`` runs what can run here, and says what cannot."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from tests.benchmarks import peers
from tests.benchmarks.recorded import replacing
from tokenlab.errors import ArgumentError

GENERATE = (sys.executable, *replacing("bench_generate", "generate_cpu.json"))


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Commands are kept instead of run; the environments would be made in folders of their own."""
    found = []

    def kept(command, **options):
        found.append(tuple(command))
        assert "TRITON_INTERPRET" not in options["env"]
        if "--clear" in command:
            Path(command[-1]).mkdir(exist_ok=True)
        return SimpleNamespace(returncode=0)

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(peers.subprocess, "run", kept)
    for name in ("KERNELS", "BYTES"):
        environment = getattr(peers, name)
        monkeypatch.setattr(peers, name, environment._replace(folder=tmp_path / name))
    return found


def module(tmp_path, name: str, benchmark: str, file: str) -> tuple[str, ...]:
    return str(tmp_path / name / "bin" / "python"), *replacing(benchmark, file)


def test_without_a_gpu_it_says_what_is_left_out(commands, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(peers, "has_gpu", lambda: False)
    peers.main([])
    assert commands[0] == GENERATE
    assert commands[-1] == module(tmp_path, "BYTES", "bench_bytes", "bytes_cpu.json")
    assert not any("requirements-peers.txt" in command[-1] for command in commands)
    assert "FlashInfer and vLLM are left out" in capsys.readouterr().out


def test_with_a_gpu_the_others_are_installed_once(commands, monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "has_gpu", lambda: True)
    peers.main([])
    benchmarks = [
        GENERATE,
        module(tmp_path, "BYTES", "bench_bytes", "bytes_cpu.json"),
        module(tmp_path, "KERNELS", "bench_transport_kernels", "transport_cuda.json"),
    ]
    assert [command for command in commands if command in benchmarks] == benchmarks
    for name, file in (("KERNELS", "requirements-peers.txt"), ("BYTES", "requirements-peers-bytes.txt")):
        installs = [command for command in commands if command[-1].endswith(f"/{file}")]
        assert [command[0] for command in installs] == [str(tmp_path / name / "bin" / "python")]
    commands.clear()
    peers.main([])
    assert commands == benchmarks, "nothing has changed: nothing is installed"
    (tmp_path / "KERNELS" / ".stamp").write_text("other requirements")
    commands.clear()
    peers.main([])
    assert len(commands) == 5


def test_a_further_index_is_asked_for_torch(commands, monkeypatch):
    monkeypatch.setattr(peers, "has_gpu", lambda: False)
    peers.main(["--torch-index", "https://index"])
    (install,) = (command for command in commands if "install" in command)
    assert install[install.index("--extra-index-url") + 1] == "https://index"


def test_a_failure_is_not_hidden(monkeypatch):
    monkeypatch.setattr(peers.subprocess, "run", lambda *args, **kwargs: SimpleNamespace(returncode=3))
    with pytest.raises(SystemExit, match="bench_generate .*` failed"):
        peers.main([])


def test_a_driver_without_a_device_is_no_gpu(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    for code, text, expected in ((0, "GPU 0: NVIDIA H200", True), (0, "", False), (9, "GPU", False)):
        done = SimpleNamespace(returncode=code, stdout=text)
        monkeypatch.setattr(peers.subprocess, "run", lambda *args, done=done, **kwargs: done)
        assert peers.has_gpu() is expected
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    assert peers.has_gpu() is False


@pytest.mark.parametrize(
    "name, peer_names",
    [
        ("requirements-peers.txt", {"vllm", "flashinfer-python"}),
        ("requirements-peers-bytes.txt", {"genlm-bytes", "genlm-backend", "torch", "transformers"}),
    ],
)
def test_requirements_are_exact_and_ours_agree(root, name, peer_names):
    def pins(name):
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        return {
            pin.name: pin for pin in map(Requirement, (line for line in lines if line and line[0] != "#"))
        }

    theirs, ours = pins(name), pins("requirements.txt")
    assert peer_names <= theirs.keys()
    assert all(str(pin.specifier).startswith("==") for pin in theirs.values())
    assert all(pin.specifier == ours[name].specifier for name, pin in theirs.items() if name in ours)


@pytest.mark.parametrize(
    "given, added", [([], []), (["TORCH_INDEX=https://index"], ["--torch-index", "https://index"])]
)
def test_make_runs_this_module(root, given, added):
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/.stamp", "peers", *given],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [".venv/bin/python", "-m", "tests.benchmarks.peers", *added]


def test_a_benchmark_alone_leaves_the_recorded_results_alone(monkeypatch, tmp_path):
    """It writes where it was started, and not over what it finds there."""
    monkeypatch.chdir(tmp_path)
    for benchmark, file in (("ops", "ops"), ("generate", "generate"), ("rates", "rates"), ("bytes", "bytes")):
        found = tmp_path / "runs" / "benchmarks" / f"{file}_cpu.json"
        found.parent.mkdir(parents=True, exist_ok=True)
        found.write_text("kept")
        monkeypatch.setattr(sys, "argv", [f"bench_{benchmark}"])
        with pytest.raises(ArgumentError, match=rf"^runs/benchmarks/{file}_cpu.json is there already"):
            importlib.import_module(f"tests.benchmarks.bench_{benchmark}").main()
        assert found.read_text() == "kept"
