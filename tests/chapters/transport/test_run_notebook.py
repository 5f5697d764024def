"""Solutions of the exercises in book/transport/run.ipynb give the numbers that their text states."""

from __future__ import annotations

import re

import nbformat
import pytest
import torch

from tests.support import notebooks
from tokenlab import lm
from tokenlab.chapters.intervals import student_interval
from tokenlab.chapters.transport import experiments
from tokenlab.transport import acceptance_rate


@pytest.fixture(scope="module")
def solutions(root) -> list[tuple[str, str]]:
    """Code and text of each solution."""
    prose = notebooks.prose(nbformat.read(root / "book" / "transport" / "run.ipynb", as_version=4))
    return re.findall(r"<summary>Solution</summary>\n+```python\n(.*?)```\n(.*?)</details>", prose, re.S)


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\$(-?\d\.\d+)\$", text)]


@pytest.mark.model
def test_a_draft_of_another_temperature_accepts_less(solutions):
    code, text = solutions[0]
    models = [lm.load(name, dtype=torch.float64) for name in ("lab-target", "lab-draft")]
    (target, tokenizer), (draft, _) = models
    names = {
        "target": target,
        "draft": draft,
        "tokenizer": tokenizer,
        "results": experiments.load_results("acceptance"),
        "experiments": experiments,
        "acceptance_rate": acceptance_rate,
        "student_interval": student_interval,
    }
    exec(code, names)
    accepted, change = names["accepted"], names["change"]
    cold, hot = change[0.7], change[1.3]
    found = [accepted[1.0].mean(), accepted[0.7].mean(), *cold, accepted[1.3].mean(), *hot]
    found += [accepted[1.3][0], accepted[1.0][0]]
    assert numbers(text) == [round(float(value), 3) for value in found]
    assert cold.high < 0 and hot.high < 0  # neither interval holds zero


def test_the_best_tree_for_twelve_tokens(solutions):
    code, text = solutions[2]
    names = {"experiments": experiments, "results": experiments.load_results("acceptance")}
    exec(code.partition("\nfor label in")[0], names)
    best = {T: names["best"](f"T = {T}", "recursive") for T in ("0.5", "1", "1.5")}
    assert best["0.5"][1] == best["1"][1] == (3, 1, 1, 1)
    assert best["1.5"][1][0] == 2 and set(best["1.5"][1][1:]) == {1}
    assert f"${best['1'][0]:.2f}$" in text
