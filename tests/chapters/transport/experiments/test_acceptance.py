"""Steps and acceptance rates, small; recorded ones are read and computed again."""

from __future__ import annotations

import itertools

import pytest
import torch

from tests.chapters.transport.experiments.conftest import VOCAB, Tokenizer
from tokenlab.chapters.transport import experiments
from tokenlab.chapters.transport.experiments import SETTINGS, Setting, Steps, acceptance
from tokenlab.chapters.transport.experiments.steps import POSITIONS
from tokenlab.lm import corpus
from tokenlab.transport import acceptance_rate, optimal_acceptance_rate


@pytest.fixture(scope="module")
def files() -> list[str]:
    return experiments.file_names()[::8]


@pytest.fixture(scope="module")
def steps(pair, files) -> Steps:
    return experiments.read_steps(*pair, Tokenizer(), files)


def test_a_step_is_what_the_model_says_after_that_token(pair, files, steps):
    """Position n is the row that predicts token n + 1, and no other."""
    kind, _, name = files[1].partition("/")
    text = dict(corpus.heldout_files(kind))[name]
    for column, position in ((0, POSITIONS[0]), (-1, POSITIONS[-1])):
        ids = Tokenizer()(text, max_length=position + 1).input_ids
        for model, logits in zip(pair, (steps.target_logits, steps.draft_logits), strict=True):
            with torch.inference_mode():
                torch.testing.assert_close(logits[1, column], model(ids).logits[0, -1])


def test_steps_are_the_same_for_all_files_and_lie_inside_the_context(steps, files):
    assert steps.files == files and steps.target_logits.shape == (len(files), len(POSITIONS), VOCAB)
    assert len(experiments.file_names()) == 24 and max(POSITIONS) < 512
    assert set(acceptance.FEW_POSITIONS) < set(POSITIONS)


def test_setting_probs_are_transformers_own(steps):
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

    logits = steps.target_logits
    warpers = LogitsProcessorList([TemperatureLogitsWarper(0.7), TopPLogitsWarper(0.8)])
    expected = warpers(None, logits.flatten(0, 1)).softmax(-1).view_as(logits)
    found = experiments.setting_probs(logits, Setting(0.7, 0.8))
    assert torch.equal(found, expected) and bool((found == 0).any())


def test_rates_are_the_means_of_each_file(steps):
    setting = SETTINGS["T = 0.5"]
    rates = experiments.measure_rates(steps, setting)
    assert list(rates) == list(acceptance.SERIES)
    target, draft = (
        experiments.setting_probs(logits, setting) for logits in (steps.target_logits, steps.draft_logits)
    )
    for name, rule, sampling in (("kseq", "kseq", "iid"), ("greedy", "greedy", "greedy")):
        for number, k in ((0, 1), (3, 4)):
            for file in range(len(steps.files)):
                alone = [
                    acceptance_rate(p, q, k, rule, sampling).item()
                    for p, q in zip(target[file], draft[file], strict=True)
                ]
                assert rates[name][number][file] == pytest.approx(sum(alone) / len(alone), abs=1e-12)


@pytest.mark.parametrize("label", ["T = 0.25", "T = 1.5", "T = 1, top-p 0.9"])
def test_order_of_the_rules_and_growth_with_drafts(steps, label):
    """What is proved for i.i.d. drafts must show in every mean."""
    rates = experiments.measure_rates(steps, SETTINGS[label])
    order = ("target_only", "naive", "recursive", "kseq", "optimal")
    for lower, higher in itertools.pairwise(order):
        for low, high in zip(rates[lower], rates[higher], strict=True):
            assert all(a <= b + 1e-12 for a, b in zip(low, high, strict=True))
    for row in rates.values():
        assert all(a <= b + 1e-12 for few, more in itertools.pairwise(row) for a, b in zip(few, more))
    assert ("greedy" in rates) == ("top-p" not in label)


def test_without_replacement_two_drafts_are_exact_and_more_are_close(steps):
    few = Steps(steps.files, steps.target_logits[:, :2], steps.draft_logits[:, :2])
    target, draft = (
        experiments.setting_probs(x, SETTINGS["T = 1"]) for x in (few.target_logits, few.draft_logits)
    )
    two = experiments.measure_without_replacement(few, SETTINGS["T = 1"], 2)
    assert two["standard_error"] == two["quadrature_error"] == 0
    expected = acceptance_rate(target, draft, 2, "recursive", "without_replacement").mean(-1)
    assert two["rates"]["recursive"] == pytest.approx(expected.tolist())
    three = experiments.measure_without_replacement(few, SETTINGS["T = 1"], 3)
    # 24 tokens cannot be enumerated three at a time; the rule may not exceed its optimum.
    mean = {name: sum(values) / len(values) for name, values in three["rates"].items()}
    assert mean["recursive"] < mean["optimal"] + 4 * three["standard_error"]
    assert mean["optimal, iid"] < mean["optimal"] and 0 < three["standard_error"] < 0.02
    expected = optimal_acceptance_rate(target, draft, 3, "without_replacement").mean(-1)
    assert three["rates"]["optimal"] == pytest.approx(expected.tolist())


def test_standard_error_is_that_of_the_mean(steps, monkeypatch):
    """Estimates of other drafts scatter as much as the error says: seeds as a second opinion."""
    few = Steps(steps.files, steps.target_logits[:, :2], steps.draft_logits[:, :2])
    monkeypatch.setattr(acceptance, "FEW_SAMPLES", 16)
    means, errors = [], []
    for seed in range(20):
        monkeypatch.setattr(acceptance, "SEED", seed)
        found = experiments.measure_without_replacement(few, SETTINGS["T = 1"], 3)
        means.append(sum(found["rates"]["recursive"]) / len(few.files))
        errors.append(found["standard_error"])
    scatter = torch.tensor(means).std().item()
    assert 0.6 < scatter / (sum(errors) / len(errors)) < 1.5


def test_gaps_are_compared_file_by_file():
    rates = {"T = 1": {"optimal": [[0.9, 0.5]], "kseq": [[0.8, 0.4]]}}
    results = {"num_drafts": [4], "rates": rates}
    # The files differ by far more than the rules: an unpaired interval would hide the gap.
    assert experiments.gap(results, "T = 1", "kseq", 4) == pytest.approx((0.1, 0.1, 0.1))
    low, high = experiments.rate(results, "T = 1", "kseq", 4)[1:]
    assert high - low > 1


@pytest.mark.parametrize("label", ["T = 1", "T = 1, top-p 0.9"])
def test_recorded_acceptance_holds_for_one_file(lab, label):
    recorded = experiments.load_results("acceptance")
    number = 17
    again = experiments.recompute_acceptance(*lab, label, recorded["files"][number])
    assert set(again) == set(recorded["rates"][label])
    for series, row in again.items():
        assert row == pytest.approx([values[number] for values in recorded["rates"][label][series]], rel=6e-6)


def test_recorded_without_replacement_holds_for_two_drafts(lab):
    """The cell that has no estimate in it."""
    recorded = experiments.load_results("acceptance")["without_replacement"]
    (cell,) = [cell for cell in recorded["cells"] if cell["num_drafts"] == 2]
    file = experiments.file_names()[3]
    steps = experiments.read_steps(*lab, [file], recorded["positions"])
    again = experiments.measure_without_replacement(steps, SETTINGS[cell["setting"]], 2)
    for series, (value,) in again["rates"].items():
        assert value == pytest.approx(cell["rates"][series][3], rel=6e-6)
