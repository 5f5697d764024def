"""What "auto" takes on a CPU: sums over runs of the sorted vocabulary, equal to the reference."""

from __future__ import annotations

import pytest
import torch

from tests.bytelevel.vocabularies import like_a_models, mixed
from tests.support.planting import plant
from tokenlab.bytelevel import byte_log_masses
from tokenlab.bytelevel.masses import reference, sorted_runs
from tokenlab.bytelevel.masses.api import log_sum_exp

INF = float("inf")

#: Of a user's call NumPy says nothing.
pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
PREFIXES = [b"", b" ", b"a", b" a", b"\xc3", b"no such"]


def check_equal(vocabulary, dtype=torch.float32, spread=4.0) -> None:
    """To 1e-12, with and without a mask or a normalizer; some tokens, and all of one byte, have no mass."""
    chance = torch.Generator().manual_seed(0)
    shape = len(PREFIXES), vocabulary.vocab_size
    logits = (spread * torch.randn(shape, generator=chance)).to(dtype)
    logits[torch.rand(shape, generator=chance) < 0.1] = -INF
    start, stop = vocabulary.find(b"b")
    logits[:, vocabulary.order[start:stop]] = -INF
    allowed = torch.rand(len(PREFIXES), len(vocabulary), generator=chance) < 0.7
    allowed[:, slice(*vocabulary.find(b"a"))] = allowed[-1] = False
    spans = [(*vocabulary.find(prefix), len(prefix)) for prefix in PREFIXES]
    spans = [torch.tensor(column) for column in zip(*spans, strict=True)]
    for mask in (None, allowed):
        for norm in (None, torch.arange(len(PREFIXES), dtype=torch.float64)):
            found, expected = (
                byte_log_masses(logits, vocabulary, *spans, allowed=mask, normalizer=norm, backend=backend)
                for backend in ("auto", "reference")
            )
            torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-12)
    torch.testing.assert_close(log_sum_exp(logits), logits.double().logsumexp(-1), rtol=1e-14, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_equal_to_the_reference(dtype):
    check_equal(mixed(300, alphabet=b"ab \xc3"), dtype)
    check_equal(like_a_models(5000), dtype)


def test_a_rare_byte_keeps_its_digits():
    check_equal(mixed(300), spread=400.0)


def test_auto_takes_it_where_there_is_no_gradient(monkeypatch):
    vocabulary, called = mixed(20), []
    logits = torch.zeros(1, vocabulary.vocab_size)
    for module in (reference, sorted_runs):
        monkeypatch.setattr(module, "byte_log_masses", lambda *_, name=module.__name__: called.append(name))
    byte_log_masses(logits, vocabulary)
    byte_log_masses(logits, vocabulary, backend="reference")
    byte_log_masses(logits.requires_grad_(), vocabulary)
    assert [name.rpartition(".")[2] for name in called] == ["sorted_runs", "reference", "reference"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("np.repeat(shifts, ", "np.repeat(shifts * 0 + shifts.max(), "),
        ("np.where(some, tops, 0.0)", "tops"),
        ("allowed[row, start:stop]", "allowed[row, : stop - start]"),
        ("append=len(kept)) > 0", "append=len(kept)) >= 0"),
        ("order[start:stop]", "order[: stop - start]"),
        ("depth == 0 and (start, stop) == (0, len(vocabulary))", "True"),
        ("float(normalizer[row])", "float(normalizer[0])"),
        ("np.exp(terms, out=terms)", "terms = np.exp(terms.astype(np.float32))"),
    ],
    ids=[
        "one maximum",
        "inf minus inf",
        "another mask",
        "empty runs",
        "another range",
        "one plan",
        "one norm",
        "float32",
    ],
)
def test_a_planted_mistake_is_found(monkeypatch, old, new):
    plant(monkeypatch, sorted_runs, old, new)
    with pytest.raises((AssertionError, IndexError, RuntimeWarning, ValueError)):
        check_equal(mixed(300, alphabet=b"ab \xc3"))
        check_equal(mixed(300), spread=400.0)
