"""The byte kernels compile for a GPU that is not here, without spills and with wide loads."""

from __future__ import annotations

import pytest

from tests.support.backends import NEEDS_TRITON
from tests.support.compiled import CompiledKernels

pytestmark = [NEEDS_TRITON, pytest.mark.interpreter]


class TestCompiled(CompiledKernels):
    command, folder = "tests.bytelevel.masses.compiled", "tokenlab/bytelevel/masses"
    results = "bytes_sm90.json"
    reading = ("_window_kernel", "_bins_kernel", "_children_kernel", "_range_kernel")

    def test_windows_are_read_16_bytes_at_once(self, launches):
        """With and without a mask, where the vocabulary is aligned; their plan always is."""
        seen = set()
        for launch in launches:
            if launch["kernel"] == "_window_kernel":
                body = launch["tokens_per_thread"] * (4 if launch["dtype"] == "float32" else 2) // 16
                plan = launch["tokens_per_thread"] * 2 // 16
                rows = {"aligned": 2 * body, "padded": body, "odd": 0}[launch["layout"]]
                assert launch["wide_loads"] == rows + plan
                seen.add((launch["layout"], launch["dtype"]))
        assert len(seen) == 4

    def test_windows_fit_beside_each_other(self, launches):
        """A program exchanges its window in shared memory: four take less than a multiprocessor has."""
        assert {launch["shared"] for launch in launches if launch["kernel"] == "_window_kernel"} == {32_768}
