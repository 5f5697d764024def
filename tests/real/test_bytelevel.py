"""SmolLM2 as a model of bytes, on its own 49,152 tokens. ``make real`` runs this."""

from __future__ import annotations

import math

import pytest
import torch

from tests.bytelevel import oracle
from tests.bytelevel.tokenizers import BUILDERS
from tests.real.smollm import NAME
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tokenizer.vocabulary import END

pytestmark = pytest.mark.real

#: What is tried after a token, so that it is seen where it may stand: nothing, a letter, a space.
FURTHER = ("", "a", " ")
#: Prompt; next bytes with their exact probabilities; next tokens with those of the model, which is asked with
#: the same start before the prompt, and with none, as the tokenizer gives it.
RECORDED = {
    "The capital of France is ": (
        {"P": 0.7649, "L": 0.0369, "M": 0.0289},
        {"2": 0.3602, "1": 0.1149, "\n": 0.0886},
        {"2": 0.3257, "1": 0.2452, "3": 0.1071},
    ),
    "The capital of France is Par": (
        {"i": 0.9998},
        {"ís": 0.3212, "is": 0.2730, "ap": 0.1042},
        {"is": 0.7013, "ís": 0.0821, "ap": 0.0729},
    ),
    "def __ini": ({"t": 0.9916}, {"_": 0.3007, "\n": 0.1109, "::": 0.0587}, {"_": 0.6557, "load": 0.1166}),
    "import matplotlib.pyplot as pl": (
        {"t": 0.9762, "o": 0.0150, "\n": 0.0053},
        {"\n": 0.6138, "s": 0.1135},
        {"\n": 0.5031, "ib": 0.2709},
    ),
}
NASTY = {
    "emoji": "👩🏽‍🚀 flies 🇫🇷, then 😀😀!",
    "combining marks": "cafe\u0301 x\u0338\u0323 각\u11a8 \u0301\u0301",
    "tabs and CRLF": "\tif a:\r\n\t\tb  = 1\r\n\r\n\t \t\n",
    "long digits": "pi = 3.14159265358979323846264338327950288   12345678901234567890",
    "code": "def f(x):\n    return {'a': [x**2, \"\\n\"]}  # it's\n\n\n",
    "Chinese": "漢字和中文。你好，世界！",
    "what is written as a special token": "a <|im_start|>b <|endoftext|> <repo_name>",
    "control characters": "a\x00b\x7f\u200b\ufeff\u2028c\ufffd",
}


@pytest.fixture(scope="module")
def byte_lm(smollm):
    return ByteLM(*smollm)


def log_probs_after(model, ids: list[int]) -> torch.Tensor:
    """By a plain forward, normalised in float64."""
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0].double().log_softmax(-1)


@pytest.fixture(scope="module")
def enumerated(smollm):
    """By the tokenizer alone, asked for the encodings of very many texts, the sum over the covers of each."""
    from tokenizers import Tokenizer

    from tokenlab.lm.known_models import fetched_folder

    model = smollm[0]
    BUILDERS[NAME] = lambda: Tokenizer.from_file(str(fetched_folder(NAME) / "tokenizer.json"))
    start = [model.config.bos_token_id]

    def log_sum(covers: set[tuple[int, ...]], known: dict) -> float:
        terms = []
        for *context, token in covers:
            if tuple(context) not in known:
                rows = log_probs_after(model, [*start, *context])
                before = sum(float(rows[place, id_]) for place, id_ in enumerate(context))
                known[tuple(context)] = before + rows[-1]
            terms.append(known[tuple(context)][token])
        return float(torch.stack(terms).logsumexp(0))

    def distribution(text: str) -> torch.Tensor:
        known: dict = {}
        mass = torch.full((257,), -math.inf, dtype=torch.float64)
        for byte, covers in oracle.covers_by_next_byte(NAME, text.encode(), FURTHER).items():
            mass[byte] = log_sum(covers, known)
        whole = oracle.encodings(NAME, [text.encode()])[0]
        mass[END] = log_sum({(*whole, model.config.eos_token_id)}, known)
        return mass

    return distribution


@pytest.mark.parametrize("prompt", ["The capital of France is ", "def __ini"])
def test_next_byte_is_the_sum_over_all_that_the_tokenizer_writes(byte_lm, enumerated, prompt):
    """With its normaliser: nothing is missing, and nothing is summed that the tokenizer does not write."""
    ours, theirs = byte_lm.next_byte_log_probs(prompt.encode()), enumerated(prompt)
    assert (ours.exp() - theirs.log_softmax(0).exp()).abs().max() < 1e-5
    stream = byte_lm.stream(prompt.encode())
    found = stream.cover_log_prob + math.log1p(-stream.leak)
    assert found == pytest.approx(float(theirs.logsumexp(0)), abs=1e-4)


@pytest.mark.parametrize("prompt", RECORDED)
def test_recorded_prompts(smollm, byte_lm, prompt):
    """A prompt that ends inside a word misleads the model of tokens, whether a start is before it or not."""
    model, tokenizer = smollm
    exact, with_start, plain = RECORDED[prompt]
    log_probs = byte_lm.next_byte_log_probs(prompt.encode())
    assert log_probs.exp().sum() == pytest.approx(1, abs=1e-9)
    assert chr(int(log_probs[:256].argmax())) == next(iter(exact))
    for byte, value in exact.items():
        assert math.exp(log_probs[ord(byte)]) == pytest.approx(value, abs=2e-3)
    ids = tokenizer(prompt)["input_ids"]
    for before, recorded in ((byte_lm.start_ids, with_start), ([], plain)):
        probs = log_probs_after(model, [*before, *ids])[-1].exp()
        best = probs.topk(len(recorded)).indices.tolist()
        assert [tokenizer.decode([token]) for token in best] == list(recorded)
        assert probs[best].tolist() == pytest.approx(list(recorded.values()), abs=2e-3)


def test_a_text_is_scored_as_it_streams(byte_lm):
    text = b"The capital of France is Paris.\n\nIn 1889, the tower"
    score = byte_lm.score(text)
    stream = byte_lm.stream()
    for index, byte in enumerate(text):
        assert stream.log_probs.exp().sum() == pytest.approx(1, abs=1e-9)
        assert float(stream.log_probs[byte]) == pytest.approx(float(score.log_probs[index]), abs=1e-3)
        stream.push(byte)
    assert byte_lm.log_prob(text) == pytest.approx(score.log_prob, abs=1e-3)
    at_once = byte_lm.next_byte_log_probs(text)
    assert torch.allclose(stream.log_probs.exp(), at_once.exp(), atol=1e-4)


@pytest.mark.parametrize("kind", NASTY)
def test_the_canonical_path_is_alive(smollm, byte_lm, kind):
    """The tokenizer's own encoding is one of a text's covers: their sum is no less than its probability."""
    model, tokenizer = smollm
    text = NASTY[kind]
    data = text.encode()
    ids = byte_lm.encode("text", data)
    spelled = b"".join(byte_lm.vocabulary.strings[at] for at in byte_lm.vocabulary.positions[ids].tolist())
    assert spelled == data
    if "<|" not in text:
        assert ids == tokenizer(text)["input_ids"] and tokenizer.decode(ids) == text
    score = byte_lm.score(data)
    assert torch.isfinite(score.log_probs).all()
    rows = log_probs_after(model, [*byte_lm.start_ids, *ids])
    canonical = sum(float(rows[place, token]) for place, token in enumerate(ids, len(byte_lm.start_ids) - 1))
    assert canonical - 1e-3 <= score.cover_log_prob <= 0
    # What is lost before each byte is what the score leaves out.
    lost = float(torch.log1p(-score.leaks).sum())
    assert score.log_prob + lost == pytest.approx(score.cover_log_prob, abs=1e-6)
