"""The masses of the next byte against sums taken one token at a time.

The oracle knows no order and no ranges: it asks each token whether it begins with the bytes read,
and adds up with ``math.fsum``. What runs here runs for the reference and for the kernels.
"""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bytelevel.vocabularies import like_a_models, mixed
from tests.support import interpreter
from tests.support.backends import BACKENDS, BACKENDS_AND_DTYPES, DEVICE, NEEDS_TRITON, working_dtype
from tests.support.planting import plant
from tokenlab.backend import has_triton
from tokenlab.bytelevel import ByteVocabulary, byte_log_masses
from tokenlab.bytelevel.masses import reference
from tokenlab.errors import ArgumentError, BackendError, DtypeError, EmptySupportError, ShapeError

INF = float("inf")


#: Relative error of a mass that is asked for, and what float64 can do.
TOLERANCE = {"triton": 3e-6, "reference": 1e-10}


@pytest.fixture(autouse=True, scope="module")
def fast_interpreter():
    with pytest.MonkeyPatch.context() as monkeypatch:
        if has_triton():
            interpreter.replace_once(monkeypatch)
        yield


def random_logits(rows, vocabulary, seed=0, spread=4.0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(rows, vocabulary.vocab_size, generator=generator)).to(DEVICE, dtype)


def log_fsum(values: list[float]) -> float:
    """log of the sum of e^x, each rounding counted once."""
    top = max(values, default=-INF)
    return top if top == -INF else top + math.log(math.fsum(math.exp(value - top) for value in values))


def by_hand(row, vocabulary, prefix=b"", allowed=None, normalizer=None) -> list[float]:
    """Entry b: what the tokens have that begin with ``prefix`` and byte b; entry 256: with ``prefix`` alone."""
    row = row.double().tolist()
    bins: list[list[float]] = [[] for _ in range(257)]
    for position, (token, string) in enumerate(
        zip(vocabulary.order.tolist(), vocabulary.strings, strict=True)
    ):
        if string.startswith(prefix) and (allowed is None or allowed[position]):
            bins[string[len(prefix)] if len(string) > len(prefix) else 256].append(row[token])
    norm = log_fsum(row) if normalizer is None else float(normalizer)
    return [log_fsum(values) - norm for values in bins]


def ranges(vocabulary, prefixes):
    """The arguments that stand for prefixes."""
    found = [(*vocabulary.find(prefix), len(prefix)) for prefix in prefixes]
    return [torch.tensor(column, device=DEVICE) for column in zip(*found, strict=True)]


def check(found, expected, backend):
    """Equal supports, and each mass right relative to itself."""
    expected = torch.tensor(expected, dtype=torch.float64)
    found = found.cpu()
    assert found.dtype == torch.float64 and found.shape == expected.shape
    some = expected > -INF
    assert torch.equal(found == -INF, ~some)
    torch.testing.assert_close(found[some], expected[some], rtol=1e-14, atol=TOLERANCE[backend])


def check_prefixes(backend, vocabulary, prefixes, logits=None, allowed=None, **options):
    if logits is None:
        logits = random_logits(len(prefixes), vocabulary, dtype=working_dtype(backend))
    spans = ranges(vocabulary, prefixes) if any(prefixes) else ()
    found = byte_log_masses(logits, vocabulary, *spans, allowed=allowed, backend=backend, **options)
    masks = [None] * len(prefixes) if allowed is None else allowed.tolist()
    rows = zip(logits.cpu(), prefixes, masks, strict=True)
    check(found, [by_hand(row, vocabulary, prefix, mask) for row, prefix, mask in rows], backend)
    return found


# Right sums.
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_vocabulary_of_five(backend):
    """P(a) = 0.8, P(b) = 0.1; the special token has the rest. After "ab": c or the end."""
    vocabulary = ByteVocabulary([b"b", b"a", None, b"ab", b"abc"])
    logits = torch.tensor([[0.1, 0.2, 0.1, 0.4, 0.2]], dtype=working_dtype(backend), device=DEVICE).log()
    first = byte_log_masses(logits, vocabulary, backend=backend).exp()[0]
    assert {
        position: round(first[position].item(), 6) for position in first.nonzero().flatten().tolist()
    } == {97: 0.8, 98: 0.1}
    second = byte_log_masses(logits, vocabulary, *ranges(vocabulary, [b"ab"]), backend=backend).exp()[0]
    assert {
        position: round(second[position].item(), 6) for position in second.nonzero().flatten().tolist()
    } == {99: 0.2, 256: 0.4}


STRINGS = (
    st.none() | st.binary(min_size=1, max_size=4) | st.text("ab", min_size=1, max_size=5).map(str.encode)
)


DRAWN = {
    "strings": st.lists(STRINGS, min_size=1, max_size=60),
    "padding": st.integers(0, 3),
    "seed": st.integers(0, 10**6),
    "spread": st.floats(0.1, 30),
    "data": st.data(),
}


def check_any(backend, strings, padding, seed, spread, data):
    """Any vocabulary, some prefixes of its tokens, with a mask or without."""
    strings = [*strings, b"ab"]
    vocabulary = ByteVocabulary(strings, len(strings) + padding)
    known = sorted({string[:end] for string in strings if string for end in range(len(string) + 1)})
    prefixes = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=2))
    logits = random_logits(len(prefixes), vocabulary, seed, spread, working_dtype(backend))
    allowed = None
    if data.draw(st.booleans()):
        chance = torch.Generator().manual_seed(seed)
        allowed = (torch.rand(len(prefixes), len(vocabulary), generator=chance) < 0.5).to(DEVICE)
    check_prefixes(backend, vocabulary, prefixes, logits, allowed)


@settings(max_examples=60)
@given(**DRAWN)
def test_fuzz(strings, padding, seed, spread, data):
    check_any("reference", strings, padding, seed, spread, data)


@NEEDS_TRITON
@settings(max_examples=6)
@given(**DRAWN)
def test_fuzz_of_the_kernels(strings, padding, seed, spread, data):
    check_any("triton", strings, padding, seed, spread, data)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("tokens", [1, 2, 31, 257, 700])
def test_every_size(tokens, backend):
    vocabulary = mixed(tokens)
    prefixes = [vocabulary.strings[0][:1], vocabulary.strings[-1]]
    check_prefixes(backend, vocabulary, [b""])
    check_prefixes(backend, vocabulary, prefixes)


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_letters(backend):
    """Long ranges, many tokens that others begin with, bytes 0 and 255, duplicates at every depth."""
    vocabulary = mixed(900, alphabet=b"\x00\xff", longest=9)
    check_prefixes(backend, vocabulary, [b""])
    check_prefixes(backend, vocabulary, [b"\x00", b"\xff", b"\xff\xff\x00"])


@pytest.mark.parametrize(("backend", "dtype"), BACKENDS_AND_DTYPES)
def test_every_type(backend, dtype):
    vocabulary = mixed(97, alphabet=b"abc")
    logits = random_logits(2, vocabulary, dtype=dtype)
    check_prefixes(backend, vocabulary, [b"", b""], logits)
    check_prefixes(backend, vocabulary, [b"ab", b""], logits)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tokens_of_128_bytes(backend):
    """As runs of one character have in real vocabularies; every prefix of them is a token too."""
    vocabulary = ByteVocabulary([None, *(b" " * length for length in range(128, 0, -1)), b"\xff" * 128])
    check_prefixes(backend, vocabulary, [b"", b" " * 64, b" " * 127, b" " * 128, b"\xff" * 127])


@pytest.mark.parametrize("backend", BACKENDS)
def test_rare_bytes(backend):
    """Spread over 1000 nats, a byte's mass is right relative to itself, whatever the others have."""
    vocabulary = mixed(300, alphabet=b"abcdefgh", longest=3)
    logits = random_logits(1, vocabulary, spread=1.0, dtype=working_dtype(backend))
    for token, string in zip(vocabulary.order.tolist(), vocabulary.strings, strict=True):
        logits[:, token] -= 150 * (string[0] - ord("a"))
    found = check_prefixes(backend, vocabulary, [b""], logits)
    assert found[0, ord("h")] < -1000
    check_prefixes(backend, vocabulary, [b"h"], logits)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("far", [-60.0, 1e4, -1e4, 3e38, -3e38])
def test_logits_far_from_zero(far, backend):
    """Of no consequence, since only differences count; zeros read by mistake would be."""
    vocabulary = mixed(70, alphabet=b"abc")
    x = random_logits(1, vocabulary).mul(64).round() / 64
    logits = (x + far if abs(far) < 1e5 else (x / 50 + 0.5) * far).to(working_dtype(backend))
    check_prefixes(backend, vocabulary, [b""], logits)
    check_prefixes(backend, vocabulary, [b"a"], logits)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tokens_that_cannot_come(backend):
    """-inf in some tokens of a byte, in all of a byte, in all of a range, in all but one."""
    vocabulary = mixed(90, alphabet=b"abcd")
    logits = random_logits(4, vocabulary, dtype=working_dtype(backend))
    strings = dict(zip(vocabulary.order.tolist(), vocabulary.strings, strict=True))
    for token, string in strings.items():
        logits[0, token] = -INF if token % 3 == 0 else logits[0, token]
        logits[1, token] = -INF if string[:1] == b"b" else logits[1, token]
        logits[2, token] = -INF if string[:1] == b"a" else logits[2, token]
    logits[3] = -INF
    logits[3, vocabulary.order[7]] = 2.0
    check_prefixes(backend, vocabulary, [b""] * 4, logits)
    check_prefixes(backend, vocabulary, [b"b", b"a", b"a", vocabulary.strings[7][:1]], logits)


@pytest.mark.parametrize("backend", BACKENDS)
def test_allowed_tokens(backend):
    """The others add nothing to a byte, and still count for the normaliser."""
    vocabulary = mixed(200, alphabet=b"abc")
    logits = random_logits(3, vocabulary, dtype=working_dtype(backend))
    allowed = torch.rand(3, len(vocabulary), generator=torch.Generator().manual_seed(1)).to(DEVICE) < 0.4
    allowed[2] = False
    found = check_prefixes(backend, vocabulary, [b""] * 3, logits, allowed)
    assert bool((found[2] == -INF).all())
    check_prefixes(backend, vocabulary, [b"a", b"ca", b"b"], logits, allowed)
    # A mask may lie in memory in another order, and be shared by all rows.
    turned = allowed.T.contiguous().T
    assert not turned.is_contiguous()
    assert torch.equal(byte_log_masses(logits, vocabulary, allowed=turned, backend=backend), found)
    check_prefixes(backend, vocabulary, [b"a"] * 3, logits, allowed[:1].expand(3, -1))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("prefix", [b"", b"a"])
def test_given_normalizer(prefix, backend):
    """It is taken as it is, each row its own; log-sum-exp gives what is computed without it."""
    vocabulary = mixed(60, alphabet=b"ab")
    logits = random_logits(3, vocabulary, dtype=working_dtype(backend))
    spans = ranges(vocabulary, [prefix] * 3) if prefix else []
    true = logits.double().logsumexp(-1)
    shifted = true + torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64, device=DEVICE)
    found = byte_log_masses(logits, vocabulary, *spans, normalizer=shifted, backend=backend)
    check(
        found,
        [
            by_hand(row, vocabulary, prefix, normalizer=norm)
            for row, norm in zip(logits.cpu(), shifted, strict=True)
        ],
        backend,
    )
    plain = byte_log_masses(logits, vocabulary, *spans, backend=backend)
    torch.testing.assert_close(
        found - plain,
        (true - shifted)[:, None].expand(3, 257).where(plain > -INF, torch.nan),
        rtol=0,
        atol=1e-5,
        equal_nan=True,
    )


# What must hold whatever the numbers.
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_byte_has_what_its_range_has(backend):
    """Entry b of a range is the sum of all entries of the range after b, down to the longest token."""
    vocabulary = mixed(400, alphabet=b"abc", longest=6)
    logits = random_logits(1, vocabulary, dtype=working_dtype(backend))
    whole = byte_log_masses(logits, vocabulary, backend=backend)
    tokens = logits.double().log_softmax(-1)[0, vocabulary.order.to(DEVICE)]
    assert whole.exp().sum().item() == pytest.approx(tokens.exp().sum().item(), rel=1e-5)
    prefixes = [b"a", b"ab", b"abc", b"abca"]
    deeper = byte_log_masses(logits.expand(4, -1), vocabulary, *ranges(vocabulary, prefixes), backend=backend)
    above = torch.cat([whole, deeper[:-1]])
    for row, (prefix, parent) in enumerate(zip(prefixes, above, strict=True)):
        assert deeper[row].logsumexp(0).item() == pytest.approx(parent[prefix[-1]].item(), abs=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_ids_do_not_matter(backend):
    """The same strings with the same logits under other ids have the same distribution."""
    strings = [*mixed(300).strings, None, None]
    logits = torch.randn(1, len(strings), generator=torch.Generator().manual_seed(3)).to(
        DEVICE, working_dtype(backend)
    )
    order = torch.randperm(len(strings), generator=torch.Generator().manual_seed(4))
    distribution = byte_log_masses(logits, ByteVocabulary(strings), backend=backend)
    shuffled = ByteVocabulary([strings[token] for token in order])
    found = byte_log_masses(logits[:, order.to(DEVICE)], shuffled, backend=backend)
    torch.testing.assert_close(found, distribution, rtol=0, atol=2 * TOLERANCE[backend])


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_do_not_matter_to_each_other(backend):
    """Strided, expanded and single rows give the same bits."""
    vocabulary = mixed(80, alphabet=b"ab")
    logits = random_logits(3, vocabulary, dtype=working_dtype(backend))
    wide = torch.full((3, vocabulary.vocab_size + 3), INF, dtype=logits.dtype, device=DEVICE)
    wide[:, 1:-2] = logits
    spans = ranges(vocabulary, [b"a", b"b", b""])
    for at in ((), spans):
        together = byte_log_masses(logits, vocabulary, *at, backend=backend)
        assert torch.equal(byte_log_masses(wide[:, 1:-2], vocabulary, *at, backend=backend), together)
        alone = byte_log_masses(logits[1:2], vocabulary, *(position[1:2] for position in at), backend=backend)
        assert torch.equal(alone[0], together[1])
    same = byte_log_masses(logits[:1].expand(3, -1), vocabulary, backend=backend)
    assert torch.equal(same[0], same[2])
    turned = logits.T.contiguous().T
    assert torch.equal(
        byte_log_masses(turned, vocabulary, backend=backend),
        byte_log_masses(logits, vocabulary, backend=backend),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_ranges_and_empty_batches(backend):
    vocabulary = mixed(20, alphabet=b"ab")
    logits = random_logits(2, vocabulary, dtype=working_dtype(backend))
    start = torch.tensor([0, len(vocabulary)], device=DEVICE)
    found = byte_log_masses(
        logits, vocabulary, start, start, torch.tensor([0, 9], device=DEVICE), backend=backend
    )
    assert found.shape == (2, 257) and bool((found == -INF).all())
    none = torch.zeros(0, dtype=torch.int64, device=DEVICE)
    for spans in ((), (none, none, none)):
        found = byte_log_masses(logits[:0], vocabulary, *spans, backend=backend)
        assert found.shape == (0, 257) and found.dtype == torch.float64 and found.device == logits.device


def test_a_large_vocabulary():
    """As many tokens as Llama 3, logits spread by 4 nats: each of the 256 masses to 1e-10."""
    vocabulary = like_a_models(128_256)
    logits = random_logits(1, vocabulary, dtype=torch.float64)
    check_prefixes("reference", vocabulary, [b""], logits)
    check_prefixes("reference", vocabulary, [b" "], logits)


def test_gradient():
    """d log P(b) / dx = p(t | b) - p(t); bytes without mass have none, and no NaN."""
    vocabulary = ByteVocabulary([b"a", b"ab", b"b", b"c", None])
    logits = torch.tensor([[0.3, -1.0, 0.7, -INF, 0.1]], dtype=torch.float64, requires_grad=True)
    masses = byte_log_masses(logits, vocabulary)
    (found,) = torch.autograd.grad(masses[0, ord("a")], logits)
    p = logits.detach().softmax(-1)
    inside = torch.tensor([[1.0, 1, 0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(found, p * inside / (p * inside).sum() - p)


# Mistakes in the reference, and who notices.
MUTANTS = {
    "float32 cumulative sums": (
        "sums = x.new_zeros(NUM_BINS).index_add(0, bins, (x - shift[bins]).exp())\n    return top + sums.where(some, 1.0).log()",
        "edges = torch.cat([x.new_zeros(1), (x - x.amax()).exp().float().cumsum(0)])\n"
        "    order = torch.arange(len(x))\n"
        "    low = x.new_full((NUM_BINS,), len(x), dtype=torch.int64).scatter_reduce(0, bins, order, 'amin')\n"
        "    high = x.new_zeros(NUM_BINS, dtype=torch.int64).scatter_reduce(0, bins, order + 1, 'amax')\n"
        "    return (edges[high] - edges[low]).where(some, 0.0).log() + x.amax()",
        "rare",
    ),
    "one maximum for all": ('scatter_reduce(0, bins, x.detach(), "amax")', 'where(torch.arange(NUM_BINS) < 0, x.amax())', "rare"),
    "exp without the maximum": ("shift = top.where(some, 0.0)", "shift, top = 0 * top.where(some, 0.0), 0 * top.where(some, 0.0)", "far"),
    "-inf minus -inf": ("shift = top.where(some, 0.0)", "shift = top", "gradient"),
    "the last token of a range is left out": ("vocabulary.order[start:stop]", "vocabulary.order[start:stop - 1]", "size"),
    "the byte before": ("vocabulary.byte_at(depth, start, stop)", "vocabulary.byte_at(max(depth - 1, 0), start, stop)", "size"),
    "tokens without bytes do not count": ("logits.double().logsumexp(-1)", "logits[:, vocabulary.order].double().logsumexp(-1)", "size"),
    "the mask of another range": ("allowed[row, start:stop]", "allowed[row, :stop - start]", "mask"),
    "the normaliser of the allowed": ("logits.double().logsumexp(-1)", "torch.stack([logits[i, vocabulary.order].double().where(torch.tensor(True) if allowed is None else allowed[i], -torch.inf).logsumexp(-1) for i in range(len(logits))])", "mask"),
    "the normaliser of the first row": ("- normalizer[row]", "- normalizer[0]", "given"),
}  # fmt: skip


CATCHING = {
    "rare": lambda: test_rare_bytes("reference"),
    "far": lambda: test_logits_far_from_zero(1e4, "reference"),
    "gradient": test_gradient,
    "size": lambda: test_every_size(31, "reference"),
    "mask": lambda: test_allowed_tokens("reference"),
    "given": lambda: test_given_normalizer(b"a", "reference"),
}


@pytest.mark.parametrize("mistake", MUTANTS)
def test_mistake_in_the_reference_is_caught(mistake, monkeypatch):
    old, new, check = MUTANTS[mistake]
    CATCHING[check]()
    plant(monkeypatch, reference, old, new)
    with pytest.raises((AssertionError, RuntimeError)):
        CATCHING[check]()


# Bad input.
FIVE = ByteVocabulary([b"b", b"a", None, b"ab", b"abc"])


ROWS = torch.zeros(2, 5)


def spans(*values):
    return [torch.tensor(column) for column in values]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((ROWS, [b"a"]), {}, DtypeError, "vocabulary must be a ByteVocabulary, found list"),
        ((ROWS[0], FIVE), {}, ShapeError, "logits has shape .* expected 2"),
        ((ROWS[:, :4], FIVE), {}, ShapeError, "logits has 4 columns, expected 5"),
        ((ROWS.long(), FIVE), {}, DtypeError, "logits has dtype int64"),
        ((ROWS + torch.nan, FIVE), {}, ArgumentError, "logits holds NaN"),
        ((ROWS + INF, FIVE), {}, ArgumentError, r"logits holds \+inf"),
        ((ROWS - INF, FIVE), {}, EmptySupportError, "-inf everywhere"),
        ((ROWS, FIVE, torch.tensor([0, 0])), {}, ArgumentError, "starts, stops and depths belong together"),
        ((ROWS, FIVE), {"depths": torch.tensor([0, 0])}, ArgumentError, "belong together"),
        ((ROWS, FIVE, [0, 0], [4, 4], [0, 0]), {}, DtypeError, "starts must be a torch.Tensor, found list"),
        ((ROWS, FIVE, *spans([0.0, 0], [4, 4], [0, 0])), {}, DtypeError, "starts has dtype float32"),
        (
            (ROWS, FIVE, *spans([0], [4, 4], [0, 0])),
            {},
            ShapeError,
            r"starts has shape \(1,\), expected \(2,\)",
        ),
        ((ROWS, FIVE, *spans([0, 0], [[4, 4]], [0, 0])), {}, ShapeError, r"stops has shape \(1, 2\)"),
        (
            (ROWS, FIVE, *spans([0, 0], [4, 5], [0, 0])),
            {},
            ArgumentError,
            "0 and 5 in row 1, expected 0 <= start <= stop <= 4",
        ),
        ((ROWS, FIVE, *spans([0, 3], [4, 2], [0, 0])), {}, ArgumentError, "3 and 2 in row 1"),
        ((ROWS, FIVE, *spans([-1, 0], [4, 4], [0, 0])), {}, ArgumentError, "-1 and 4 in row 0"),
        ((ROWS, FIVE, *spans([0, 0], [4, 4], [0, -1])), {}, ArgumentError, "depths is -1 in row 1"),
        (
            (ROWS, FIVE, *spans([0, 0], [3, 4], [1, 1])),
            {},
            ArgumentError,
            "do not share 1 bytes: the first is b'a', the last b'b'",
        ),
        (
            (ROWS, FIVE, *spans([0, 0], [3, 3], [1, 2])),
            {},
            ArgumentError,
            "do not share 2 bytes: the first is b'a', the last b'abc'",
        ),
        (
            (ROWS, FIVE),
            {"allowed": torch.ones(2, 4)},
            DtypeError,
            "allowed has dtype float32, expected one of bool",
        ),
        (
            (ROWS, FIVE),
            {"allowed": torch.ones(2, 5, dtype=torch.bool)},
            ShapeError,
            r"allowed has shape \(2, 5\), expected \(2, 4\)",
        ),
        (
            (ROWS, FIVE),
            {"normalizer": torch.zeros(2)},
            DtypeError,
            "normalizer has dtype float32, expected one of float64",
        ),
        (
            (ROWS, FIVE),
            {"normalizer": torch.zeros(3, dtype=torch.float64)},
            ShapeError,
            r"normalizer has shape \(3,\)",
        ),
        (
            (ROWS, FIVE),
            {"normalizer": torch.tensor([0, INF], dtype=torch.float64)},
            ArgumentError,
            "normalizer is inf in row 1",
        ),
        (
            (ROWS, FIVE),
            {"normalizer": torch.zeros(2, dtype=torch.float64, device="meta")},
            ArgumentError,
            "normalizer is on meta, expected cpu",
        ),
        ((ROWS, FIVE), {"backend": "cuda"}, ArgumentError, "backend is 'cuda'"),
    ],
)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=message):
        byte_log_masses(*arguments, **options)


@NEEDS_TRITON
def test_where_there_is_no_kernel():
    rows = ROWS.to(DEVICE)
    with pytest.raises(BackendError, match="byte_log_masses of float64 has no Triton kernel"):
        byte_log_masses(rows.double(), FIVE, backend="triton")
    with pytest.raises(BackendError, match="byte_log_masses with a gradient has no Triton kernel"):
        byte_log_masses(rows.clone().requires_grad_(), FIVE, backend="triton")
    with torch.no_grad():
        byte_log_masses(rows.clone().requires_grad_(), FIVE, backend="triton")
