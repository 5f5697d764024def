"""The recorded experiment, small: batches, noise, recomputation, the results file."""

from __future__ import annotations

import json

import pytest
import torch

from tests.chapters.record import check_provenance, run_all
from tests.support.tiny_models import PAD, tiny_model
from tokenlab.chapters.intervals import bootstrap_interval
from tokenlab.chapters.sampling import experiments
from tokenlab.chapters.sampling.experiments import comparison
from tokenlab.errors import ArgumentError, CheckpointError
from tokenlab.lm.corpus import prompts
from tokenlab.sampling import RULES

VOCAB = 61


@pytest.fixture(scope="module")
def model():
    return tiny_model(vocab=VOCAB)


class Tokenizer:
    """Letters as tokens, padded on the left: enough to batch prompts of different lengths."""

    def __call__(self, texts, **options):
        from transformers import BatchEncoding

        rows = [[3 + ord(letter) % (VOCAB - 3) for letter in text[:20]] for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([[PAD] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return BatchEncoding({"input_ids": ids, "attention_mask": mask})


SMALL = {"samples": 2, "new_tokens": 5}


@pytest.fixture(scope="module")
def recorded(model):
    table = experiments.rules(model, Tokenizer(), progress=False, **SMALL)
    return {"settings": {"seed": experiments.SEED, **SMALL}, "rules": table}


def test_every_setting_is_measured_on_every_prompt(recorded):
    assert list(recorded["rules"]) == list(experiments.SETTINGS)
    for label, row in recorded["rules"].items():
        assert set(row["metrics"]) == set(row["prompts"]) == set(experiments.METRICS)
        for metric, values in row["prompts"].items():
            summary = row["metrics"][metric]
            assert len(values) == len(prompts()) == 40
            assert summary["low"] <= summary["mean"] <= summary["high"]
            assert summary["mean"] == pytest.approx(sum(values) / 40)
        kept = row["metrics"]["kept"]["mean"]
        limit = {"greedy": 1, "top-k 50": 50}.get(label, VOCAB)
        assert 1 <= kept <= limit
    assert json.loads(json.dumps(recorded))["rules"] == recorded["rules"]


@pytest.mark.parametrize("label", list(experiments.SETTINGS))
@pytest.mark.parametrize("number", [0, 17, 39])
def test_one_prompt_alone_is_what_the_batch_recorded(model, recorded, label, number):
    alone = experiments.recompute(model, Tokenizer(), label, number, recorded)
    for metric, value in alone.items():
        assert value == pytest.approx(recorded["rules"][label]["prompts"][metric][number], abs=2e-6)


def test_recomputation_would_notice_another_model_or_seed(recorded, model):
    other = experiments.recompute(tiny_model(vocab=VOCAB, seed=1), Tokenizer(), "ancestral", 0, recorded)
    again = {"settings": recorded["settings"] | {"seed": 1}}
    reseeded = experiments.recompute(model, Tokenizer(), "ancestral", 0, again)
    for found in (other, reseeded):
        assert found["entropy"] != pytest.approx(
            recorded["rules"]["ancestral"]["prompts"]["entropy"][0], abs=1e-3
        )


def test_prompts_and_seeds_have_noise_of_their_own():
    """Texts that share their noise would be one sample, not forty."""
    draws = [experiments.text_noise(seed, number, 2, 5) for seed in (0, 1) for number in (0, 1, 39)]
    assert len({row[0].item() for draw in draws for row in draw}) == 2 * len(draws)
    assert torch.equal(draws[0], experiments.text_noise(0, 0, 2, 5))


def test_results_are_written_with_their_provenance(monkeypatch, tmp_path, model, recorded):
    from tokenlab import lm

    monkeypatch.setattr(lm, "load", lambda name, dtype: (model, Tokenizer()))
    monkeypatch.setattr(comparison, "rules", lambda *_, **__: recorded["rules"])
    results = run_all(experiments, tmp_path / "results")["rules"]
    assert results["rules"] == recorded["rules"]
    assert results["settings"] == {
        "seed": 0,
        "samples": experiments.SAMPLES,
        "new_tokens": experiments.NEW_TOKENS,
    }
    check_provenance(results, "sampling", "rules", {"target": "lab-target"})


def test_recorded_intervals_are_those_of_the_recorded_prompts():
    for row in experiments.load_results("rules")["rules"].values():
        for metric, values in row["prompts"].items():
            low, high = bootstrap_interval(values)
            assert row["metrics"][metric] == pytest.approx(
                {"mean": sum(values) / 40, "low": low, "high": high}
            )


def test_bad_input(model, recorded, tmp_path):
    with pytest.raises(CheckpointError, match="experiments rules"):
        experiments.load_results("rules", tmp_path)
    with pytest.raises(ArgumentError, match="label is 'beam'"):
        experiments.recompute(model, Tokenizer(), "beam", 0, recorded)
    with pytest.raises(ArgumentError, match="number is 40"):
        experiments.recompute(model, Tokenizer(), "greedy", 40, recorded)
    with pytest.raises(SystemExit):
        experiments.main(["speed"])


def test_settings_are_valid_for_the_lab_vocabulary_and_named_after_their_values():
    for label, setting in experiments.SETTINGS.items():
        if setting.value is not None:
            RULES[setting.rule].check(setting.value, 4096)
            assert str(setting.value) in label
        assert setting.temperature == 1 or str(setting.temperature) in label
