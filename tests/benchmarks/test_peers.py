"""``make peers`` runs what can run here, and says what cannot."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from tests.benchmarks import peers


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """Commands are kept instead of run; the environment would be made in a folder of its own."""
    found = []

    def kept(command, **options):
        found.append(tuple(command))
        assert "TRITON_INTERPRET" not in options["env"]
        return SimpleNamespace(returncode=0)

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(peers.subprocess, "run", kept)
    monkeypatch.setattr(peers, "VENV", tmp_path)
    return found


def test_without_a_gpu_it_says_what_is_left_out(commands, monkeypatch, capsys):
    monkeypatch.setattr(peers, "has_gpu", lambda: False)
    peers.main()
    assert commands == [(sys.executable, "-m", "tests.benchmarks.bench_generate")]
    assert "FlashInfer and vLLM are left out" in capsys.readouterr().out


def test_with_a_gpu_the_others_are_installed_once(commands, monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "has_gpu", lambda: True)
    peers.main()
    python = str(tmp_path / "bin" / "python")
    assert commands[-1] == (python, "-m", "tests.benchmarks.bench_transport_kernels")
    assert any("requirements-peers.txt" in command[-1] for command in commands)
    commands.clear()
    peers.main()
    assert len(commands) == 2, "nothing has changed: nothing is installed"
    (tmp_path / ".stamp").write_text("other requirements")
    commands.clear()
    peers.main()
    assert len(commands) == 4


def test_a_failure_is_not_hidden(monkeypatch):
    monkeypatch.setattr(peers.subprocess, "run", lambda *args, **kwargs: SimpleNamespace(returncode=3))
    with pytest.raises(SystemExit, match="bench_generate` failed"):
        peers.main()


def test_a_driver_without_a_device_is_no_gpu(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    for code, text, expected in ((0, "GPU 0: NVIDIA H200", True), (0, "", False), (9, "GPU", False)):
        done = SimpleNamespace(returncode=code, stdout=text)
        monkeypatch.setattr(peers.subprocess, "run", lambda *args, done=done, **kwargs: done)
        assert peers.has_gpu() is expected
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    assert peers.has_gpu() is False


def test_requirements_are_exact_and_ours_agree(root):
    def pins(name):
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        return {pin.name: pin for pin in map(Requirement, (line for line in lines if line and line[0] != "#"))}

    theirs, ours = pins("requirements-peers.txt"), pins("requirements.txt")
    assert {"vllm", "flashinfer-python"} <= theirs.keys()
    assert all(str(pin.specifier).startswith("==") for pin in theirs.values())
    assert all(pin.specifier == ours[name].specifier for name, pin in theirs.items() if name in ours)


def test_make_runs_this_module(root):
    done = subprocess.run(["make", "--no-print-directory", "-n", "-o", ".venv/.stamp", "peers"], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [".venv/bin/python", "-m", "tests.benchmarks.peers"]
