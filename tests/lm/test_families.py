"""No family of causal models gives another text than its own: exact, or refused."""

from __future__ import annotations

import json

import pytest

from tests.lm.families import RECORD, TRIALS, families, try_family

#: With a cache, without, and neither.
SLICE = ("llama", "deepseek_v3", "gemma4_text", "gpt_neo", "mamba", "bart", "camembert", "cpmant")


def test_no_recorded_family_is_wrong():
    found = json.loads(RECORD.read_text())["families"]
    tried = [each for each in found.values() if "not tried" not in each]
    assert len(tried) >= 150
    bad = ("wrong", "raw error")
    assert not [each for each in tried if any(outcome.startswith(bad) for outcome in each.values())]


@pytest.mark.model
@pytest.mark.parametrize("name", SLICE)
def test_a_slice_is_as_recorded(name):
    recorded, found = json.loads(RECORD.read_text())["families"][name], try_family(families()[name])
    for trial in TRIALS:
        assert found[trial].split(":")[0] == recorded[trial].split(":")[0], found[trial]
