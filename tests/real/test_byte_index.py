"""What the index of SmolLM2's bytes costs: figures that are shown, and a bound of its memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.smollm import NAME

pytestmark = pytest.mark.real

#: Bytes above what the process had; one table of pairs of tokens, a bit for each, is larger.
BOUND = 200e6


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's own account of memory")
def test_the_index_stays_small(smollm, root: Path, capsys):
    from tokenlab.lm.known_models import fetched_folder

    command = [sys.executable, "-m", "tests.real.build_index", str(fetched_folder(NAME))]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    with capsys.disabled():
        print(
            f"\n{NAME}: index of {figures['tokens']} tokens in {figures['build_s']:.2f} s, first answer in "
            f"{figures['first_answer_s']:.2f} s, peak {figures['peak_bytes'] / 1e6:.0f} MB above the process"
        )
    assert figures["tokens"] > 49_000
    assert 0 < figures["peak_bytes"] < BOUND
