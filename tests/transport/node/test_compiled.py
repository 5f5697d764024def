"""The transport kernels compile for a GPU that is not here, without spills and with wide loads."""

from __future__ import annotations

import pytest

from tests.support.backends import NEEDS_TRITON
from tests.support.compiled import CompiledKernels

pytestmark = [NEEDS_TRITON, pytest.mark.interpreter]


class TestCompiled(CompiledKernels):
    command, folder = "tests.transport.node.compiled", "tokenlab/transport/node"
    results = "transport_sm90.json"
    reading = (
        "_stats_kernel",
        "_factors_kernel",
        "_recursive_kernel",
        "_hockey_stick_kernel",
        "_residual_kernel",
    )

    def test_rows_are_read_16_bytes_at_once(self, launches):
        """Two rows, with and without a mask: all of it where the vocabulary is aligned."""
        for launch in launches:
            if launch["kernel"] in self.reading:
                size = 4 if launch["dtype"] == "float32" else 2
                body = 2 * launch["tokens_per_thread"] * size // 16
                expected = {"aligned": 2 * body, "padded": body, "odd": 0}[launch["layout"]]
                # The sums of a pass may be read 16 bytes at once, too.
                further = 4 * (launch["kernel"] != "_hockey_stick_kernel")
                assert expected <= launch["wide_loads"] <= expected + further, launch
