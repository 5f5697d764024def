"""Drawing byte by byte: what is drawn, how probable it is, and what top-p leaves out."""

from __future__ import annotations

import torch

from tests.bytelevel.tokenizers import lm_of
from tokenlab.bytelevel.tokenizer.vocabulary import END

EXACT = 1e-9


def test_the_most_probable_byte_each_time():
    lm = lm_of("lab")
    sample = lm.sample(b"the", 12, temperature=0)
    text, log_prob = b"the", 0.0
    for _ in range(12):
        distribution = lm.next_byte_log_probs(text)
        log_prob += float(distribution.max())
        if distribution.argmax() == END:
            break
        text += bytes([int(distribution.argmax())])
    assert sample.text == text[3:] and sample.ended == (len(sample.text) < 12)
    assert abs(sample.log_prob - log_prob) < EXACT


def test_batches_draw_as_texts():
    lm = lm_of("lab")
    seeded = lambda: torch.Generator().manual_seed(3)  # noqa: E731
    one = lm.sample(b"the", 10, generator=seeded())
    assert lm.sample([b"the"], 10, generator=seeded()) == [one]
    assert lm.sample(b"the", 10, generator=seeded()) == one
    assert lm.sample(b"the", 0).text == b""
    several = lm.sample([b"the", b"12", b""], 10, temperature=0)
    assert several[0] == lm.sample(b"the", 10, temperature=0)
    for prefix, sample in zip((b"the", b"12", b""), several, strict=True):
        score = lm.score(prefix + sample.text, ended=sample.ended)
        assert abs(float(score.log_probs[len(prefix) :].sum()) - sample.log_prob) < EXACT


def test_top_p_leaves_few():
    lm = lm_of("lab")
    distribution = lm.next_byte_log_probs(b"the").exp()
    drawn = {
        lm.sample(b"the", 1, top_p=0.3, generator=torch.Generator().manual_seed(seed)).text
        for seed in range(12)
    }
    best, total = set(), 0.0
    for byte in distribution.argsort(descending=True).tolist():
        if total < 0.3:
            best.add(bytes([byte]) if byte < END else b"")
            total += float(distribution[byte])
    assert drawn <= best and len(best) < 257
