"""The page of the build's status: which results were recorded, and on what."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def build_facts(extension):
    return extension("build_facts")


def test_every_results_file_is_listed(build_facts):
    head, *rows = build_facts.recorded()
    assert all(len(row) == len(head) for row in rows)
    listed = sum(len(row[1].split(", ")) for row in rows)
    assert listed == sum(len(list(folder.glob("*.json"))) for folder in build_facts.RECORDED.values()) > 10


def test_the_page_says_truly_that_no_gpu_was_used(build_facts, root):
    _, *rows = build_facts.recorded()
    page = (root / "book" / "status.md").read_text(encoding="utf-8")
    timed = [device for _, _, device, _ in rows if not device.startswith("compiled for")]
    measured_on_cpus = all(device.startswith(("cpu", "Intel", "AMD")) for device in timed)
    assert ("No GPU was used for any of them" in page) == measured_on_cpus
