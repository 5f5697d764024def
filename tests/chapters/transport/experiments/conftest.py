"""Two tiny models, a tokenizer of letters, and the lab pair."""

from __future__ import annotations

import pytest
import torch

from tests.support.tiny_models import tiny_model

VOCAB = 24


def random_model(seed: int, vocab: int = VOCAB):
    return tiny_model(vocab=vocab, seed=seed, positions=512, layers=1, hidden=16, heads=2, spread=0.5)


class Tokenizer:
    """Letters as tokens: enough to read files and to batch prompts of different lengths."""

    def __call__(self, texts, *, max_length=12, **options):
        from transformers import BatchEncoding

        texts = [texts] if isinstance(texts, str) else texts
        rows = [[3 + ord(letter) % (VOCAB - 3) for letter in text[:max_length]] for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([[2] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return BatchEncoding({"input_ids": ids, "attention_mask": mask})


@pytest.fixture(scope="package")
def pair():
    return random_model(0), random_model(1)


@pytest.fixture(scope="package")
def lab():
    from tokenlab.lm import load

    target, tokenizer = load("lab-target", dtype=torch.float64)
    return target, load("lab-draft", dtype=torch.float64)[0], tokenizer
