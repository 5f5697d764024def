"""The answers that questions about predictions and figures take for right are so."""

from __future__ import annotations

import re

import nbformat
import pytest

from tests.assignments.conftest import MASTERS
from tokenlab.bytelevel import ByteLM, baselines
from tokenlab.chapters.sampling.figures import unnamed as curves
from tokenlab.chapters.transport.figures import unnamed as rates
from tokenlab.lm import load


def master(chapter: str) -> str:
    (path,) = (path for path in MASTERS if path.stem == chapter)
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


@pytest.mark.model
def test_prompts_are_near_and_far():
    near = (b"import", b"The", b"if x ==", b"def area(radius):\n    return")
    far = (b"import o", b"import ", b"if x == ", b"for i in range(10):\n")
    byte_lm = ByteLM(*load("lab-target"))
    for prompt in near + far:
        plain = baselines.plain_next_byte_log_probs(byte_lm, prompt).log_probs.exp()
        gap = (plain - byte_lm.next_byte_log_probs(prompt).exp()).abs().sum() / 2
        assert gap < 0.1 if prompt in near else gap > 0.5, prompt
        assert f'b"{repr(prompt)[2:-1]}": ""' in master("bytelevel")


def test_letters_are_the_figures():
    spelled = {"top_p": "top-p", "min_p": "min-p", "top_k": "top-k"}
    for chapter, found in (("sampling", curves), ("transport", rates)):
        names = {letter: spelled.get(rule, rule) for letter, rule, *_ in found.CURVES}
        (right,) = re.findall(r"names \|= (\{[^}]*\})", master(chapter))
        assert eval(right) == names
