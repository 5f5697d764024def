"""The report in words."""

from __future__ import annotations

from tests.transport.conformance.verifiers import ONE_CASE, drawn_from, repeated_once_residual
from tokenlab.transport import check_verifier


def test_the_report_says_what_was_found():
    report = check_verifier(distribution=repeated_once_residual, vocab_size=2, num_drafts=2)
    text = str(report)
    assert text.startswith("node verifier, iid drafts, as a distribution: ")
    for words in (
        "NO",
        "largest bias: 0.2222 in total variation",
        "target 0.",
        "like: unchanged target loop",
    ):
        assert words in text
    text = str(check_verifier(sample=drawn_from(repeated_once_residual), **ONE_CASE))
    assert "200,000 draws" in text and "with probability 0.99" in text and "false alarms: 0.0001" in text
