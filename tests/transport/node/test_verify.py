"""The public functions at one node: the noise contract, the distribution by counting, and bad input."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.planting import plant
from tests.transport.decoding.statistics import assert_counts
from tests.transport.instances import EDGES, PAIRS, can_be_drawn, double, row
from tokenlab import transport
from tokenlab.errors import (
    ArgumentError,
    BackendError,
    DtypeError,
    EmptySupportError,
    ProbabilityError,
    ShapeError,
)
from tokenlab.ops import open_uniform
from tokenlab.transport import (
    DEFINED,
    PAPERS,
    RULES,
    SAMPLINGS,
    acceptance_rate,
    division_factor,
    draw_drafts,
    estimate_acceptance_rate,
    hockey_stick_divergence,
    node,
    optimal_acceptance_rate,
    transport_plan,
    verify,
    verify_logits,
)

WITHOUT = "without_replacement"


TARGET, DRAFT = (double(values) for values in EDGES["five"])


def random_rows(*shape, seed=0, spread=2.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    rows = [
        (spread * torch.randn(shape, generator=generator, dtype=torch.float64)).softmax(-1) for _ in range(2)
    ]
    return [part.to(dtype) for part in rows]


def noise_for(tokens, seed=0):
    return open_uniform(
        (*tokens.shape[:-1], tokens.shape[-1] + 2), generator=torch.Generator().manual_seed(seed)
    )


def test_tables():
    assert RULES == tuple(DEFINED) == tuple(PAPERS)
    assert all(set(samplings) <= set(SAMPLINGS) for samplings in DEFINED.values())
    assert all("arXiv" in paper for paper in PAPERS.values())
    assert {name for name in transport.__all__ if not hasattr(transport, name)} == set()


def by_hand(verdict, tokens: list[int], noise: list[float]) -> tuple[int, int]:
    """The contract in plain Python: a number for each test, two for a block and a token inside it."""
    accept, residual = verdict.accept.tolist(), verdict.residual.tolist()
    *tests, first, second = noise
    for place, (uniform, probability) in enumerate(zip(tests, accept, strict=True)):
        if uniform < probability:
            return tokens[place], place
    blocks = [residual[start : start + 1024] for start in range(0, len(residual), 1024)]
    block = pick([math.fsum(masses) for masses in blocks], first)
    token = 1024 * block + pick(blocks[block], second)
    return token, tokens.index(token) if token in tokens else -1


def pick(masses: list[float], uniform: float) -> int:
    total, target = 0.0, uniform * math.fsum(masses)
    for place, mass in enumerate(masses):
        total += mass
        if total > target:
            return place
    raise AssertionError("no mass is reached")


def assert_tokens_follow_the_noise(rule, sampling, vocab, num_drafts):
    rows = 40 if vocab < 100 else 6
    target, draft = random_rows(rows, vocab, seed=vocab)
    if rule == "optimal":
        target, draft = (part[:1].expand(rows, -1) for part in (target, draft))
    tokens = draw_drafts(draft, num_drafts, sampling, generator=torch.Generator().manual_seed(1))
    noise = noise_for(tokens)
    found = verify(target, draft, tokens, rule, sampling, noise=noise)
    verdict = reference.decide(target, draft, tokens, rule, sampling)
    expected = [
        by_hand(
            verdict.Verdict(verdict.accept[n], verdict.residual[n]), tokens[n].tolist(), noise[n].tolist()
        )
        for n in range(rows)
    ]
    assert [tuple(pair) for pair in zip(*(part.tolist() for part in found), strict=True)] == expected
    assert found.token.dtype == found.accepted_index.dtype == torch.int64


@pytest.mark.parametrize(
    ("rule", "sampling", "vocab"),
    [
        (rule, sampling, vocab)
        for rule, sampling in PAIRS
        for vocab in (5, 1024, 3001)
        # Linear programs are for small vocabularies.
        if vocab == 5 or (rule, sampling) not in (("optimal", "iid"), ("optimal", WITHOUT))
    ],
)
def test_tokens_follow_the_noise(rule, sampling, vocab):
    for num_drafts in (1, 2, 4):
        if sampling != "spechub" or num_drafts == 2:
            assert_tokens_follow_the_noise(
                rule, sampling, vocab, num_drafts if vocab > 5 else min(num_drafts, 3)
            )


def test_index_of_the_accepted_draft():
    target, draft = double(row("1/2", "1/2", 0)), double(row("1/4", "1/4", "1/2"))

    def index(tokens, *noise, rule="recursive"):
        noise = torch.tensor(noise, dtype=torch.float64)
        found = verify(target, draft, torch.tensor(tokens), rule, noise=noise)
        return found.token.item(), found.accepted_index.item()

    assert index([0, 1], 0.9, 0.9, 0.5, 0.5) == (0, 0)
    assert index([2, 1], 0.1, 0.9, 0.5, 0.5) == (1, 1)  # token 2 is never accepted, then 1 always
    assert index([2, 2, 2], 0.1, 0.1, 0.1, 0.5, 0.2) == (0, -1)  # a token that nobody proposed
    # Looked up, not tested: the first of equal drafts.
    assert index([1, 0, 0], 0.1, 0.1, 0.1, 0.5, 0.2, rule="target_only") == (0, 1)
    assert index([2, 2, 1], 0.1, 0.1, 0.1, 0.5, 0.7, rule="naive") == (1, 2)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_a_batch_is_its_rows(rule, sampling):
    target, draft = random_rows(2, 3, 6)
    tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
    noise = noise_for(tokens)
    together = verify(target, draft, tokens, rule, sampling, noise=noise)
    assert together.token.shape == together.accepted_index.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            alone = verify(target[i, j], draft[i, j], tokens[i, j], rule, sampling, noise=noise[i, j])
            assert alone.token == together.token[i, j]
            assert alone.accepted_index == together.accepted_index[i, j]
    empty = verify(target[:0], draft[:0], tokens[:0], rule, sampling)
    assert empty.token.shape == (0, 3)


@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_strides_gradients_and_integers_do_not_matter(rule, sampling):
    target, draft = random_rows(4, 6)
    tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
    noise = noise_for(tokens)
    expected = verify(target, draft, tokens, rule, sampling, noise=noise)
    before = target.clone(), draft.clone(), tokens.clone()
    for changed in (
        verify(
            target.T.contiguous().T,
            draft.T.contiguous().T,
            tokens.T.contiguous().T,
            rule,
            sampling,
            noise=noise,
        ),
        verify(
            target.clone().requires_grad_(),
            draft.clone().requires_grad_(),
            tokens,
            rule,
            sampling,
            noise=noise,
        ),
        verify(target, draft, tokens.int(), rule, sampling, noise=noise),
        verify(target, draft, tokens, rule, sampling, noise=noise, validate=False),
        verify(target, draft, tokens, rule, sampling, noise=noise, backend="reference"),
    ):
        assert torch.equal(changed.token, expected.token)
        assert torch.equal(changed.accepted_index, expected.accepted_index)
        assert changed.token.dtype == torch.int64
    assert all(map(torch.equal, before, (target, draft, tokens)))


def test_generator_draws_the_noise():
    target, draft = random_rows(200, 50)
    tokens = draw_drafts(draft, 3, generator=torch.Generator().manual_seed(0))
    expected = verify(target, draft, tokens, "kseq", noise=noise_for(tokens, seed=4))
    found = verify(target, draft, tokens, "kseq", generator=torch.Generator().manual_seed(4))
    assert torch.equal(found.token, expected.token)
    other = verify(target, draft, tokens, "kseq", generator=torch.Generator().manual_seed(5))
    assert not torch.equal(other.token, expected.token)
    torch.manual_seed(4)
    assert torch.equal(verify(target, draft, tokens, "kseq").token, expected.token)


@pytest.mark.parametrize("extreme", [2.0**-1022, 2.0**-54, 1 - 2.0**-53])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_extreme_noise_emits_what_the_target_can(rule, sampling, extreme):
    for name in ("zeros in both", "disjoint", "point target", "tied draft", "equal", "sure draft"):
        target, draft = EDGES[name]
        if can_be_drawn(draft, 2, sampling):
            tokens = draw_drafts(double(draft), 2, sampling, generator=torch.Generator().manual_seed(0))
            noise = torch.full((4,), extreme, dtype=torch.float64)
            found = verify(double(target), double(draft), tokens, rule, sampling, noise=noise)
            assert target[found.token.item()] > 0, name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_narrow_dtypes_are_read_as_they_are(rule, sampling, dtype):
    target, draft = random_rows(30, 6, dtype=dtype)
    tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
    noise = noise_for(tokens)
    found = verify(target, draft, tokens, rule, sampling, noise=noise, backend="reference")
    wide = verify(target.double(), draft.double(), tokens, rule, sampling, noise=noise, validate=False)
    assert torch.equal(found.token, wide.token)
    assert torch.equal(found.accepted_index, wide.accepted_index)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_vocabulary_of_a_real_model(dtype):
    target, draft = random_rows(4, 128_256, spread=3, dtype=dtype)
    for rule, sampling in PAIRS:
        if rule != "optimal":
            tokens = draw_drafts(draft, 2, sampling, generator=torch.Generator().manual_seed(0))
            found = verify(target, draft, tokens, rule, sampling, backend="reference")
            assert bool(((found.token >= 0) & (found.token < 128_256)).all())
            is_draft = found.accepted_index >= 0
            places = found.accepted_index.clamp(min=0).unsqueeze(-1)
            assert torch.equal(tokens.gather(-1, places).squeeze(-1)[is_draft], found.token[is_draft])


@pytest.mark.parametrize(("rule", "sampling"), [pair for pair in PAIRS if pair[0] != "optimal"])
def test_logits_are_softmaxed(rule, sampling):
    generator = torch.Generator().manual_seed(3)
    target, draft = (3 * torch.randn(50, 40, generator=generator) for _ in range(2))
    target[:, 5] = draft[:, 7] = -torch.inf
    probs = [logits.double().softmax(-1) for logits in (target, draft)]
    tokens = draw_drafts(probs[1], 2, sampling, generator=generator)
    noise = noise_for(tokens)
    found = verify_logits(target, draft, tokens, rule, sampling, noise=noise)
    expected = verify(*probs, tokens, rule, sampling, noise=noise)
    assert torch.equal(found.token, expected.token)
    assert torch.equal(found.accepted_index, expected.accepted_index)


def test_divergence_by_hand():
    target, draft = (double(values) for values in EDGES["reversed"])
    factors = torch.tensor([0.0, 1.0, 2.0, 3.0])
    found = hockey_stick_divergence(target, draft, factors)
    assert found.tolist() == pytest.approx([1.0, 0.3, 0.1, 0.0], abs=1e-15)
    many = hockey_stick_divergence(target.expand(2, 3, 3), draft.expand(2, 3, 3), factors.expand(2, 3, 4))
    assert many.shape == (2, 3, 4) and torch.equal(many[1, 2], found)


def assert_output_has_the_targets_distribution(rule, sampling, num_drafts, draws=20_000, name="five"):
    """Drafts are drawn and verified; the counts of what comes out, and how often it is a draft."""
    target, draft = EDGES[name]
    generator = torch.Generator().manual_seed(2026)
    rows = [double(values).expand(draws, -1) for values in (target, draft)]
    tokens = draw_drafts(rows[1], num_drafts, sampling, generator=generator)
    found = verify(*rows, tokens, rule, sampling, generator=generator)
    assert_counts(found.token.bincount(minlength=len(target)).double(), double(target))
    rate = acceptance_rate(double(target), double(draft), num_drafts, rule, sampling).item()
    share = (found.accepted_index >= 0).double().mean().item()
    assert abs(share - rate) <= 6 * math.sqrt(max(rate * (1 - rate), 1e-12) / draws)
    is_draft = (tokens == found.token.unsqueeze(-1)).any(-1)
    assert torch.equal(is_draft, found.accepted_index >= 0)


@pytest.mark.parametrize("num_drafts", [1, 2, 3])
@pytest.mark.parametrize(("rule", "sampling"), PAIRS)
def test_output_has_the_targets_distribution(rule, sampling, num_drafts):
    if sampling != "spechub" or num_drafts == 2:
        assert_output_has_the_targets_distribution(rule, sampling, num_drafts)


MUTANTS = {
    "a uniform for test and token": (node, "noise=noise[..., k:],", "noise=noise[..., k - 1 : k + 1].flip(-1),", "greedy", "five"),
    "one uniform for all tests": (node, "noise[..., :k] < verdict", "noise[..., :1] < verdict", "recursive", "two favourites"),
    "the last test that passes": (node, "passed.int().argmax(-1)", "k - 1 - passed.flip(-1).int().argmax(-1)", "recursive", "five"),
    "tests against the wrong side": (node, "noise[..., :k] < verdict", "noise[..., :k] > verdict", "kseq", "five"),
    "no residual": (node, "token = torch.where(index >= 0, chosen, drawn)", "token = chosen", "naive", "five"),
    "residual is the target": (node, "return Verdict(accept, normalised(hockey_stick(target, draft, one), target))", "return Verdict(accept, target)", "naive", "five"),
    "unchanged target loop": (node, "        target = step.residual\n", "        last = step.residual\n", "recursive", "five"),
    "draft keeps what was drawn": (node, "if not replacement:", "if False:", WITHOUT, "tied draft"),
    "siblings de-duplicated": (node, "total = 1 + rejected * total", "total = total", "kseq", "five"),
    "greedy against the draft": (node, "last_draft_probs(draft, tokens[..., :-1])", "draft", "greedy", "five"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MUTANTS)
def test_the_same_count_rejects_a_mistake(mistake, monkeypatch):
    module, old, new, rule, name = MUTANTS[mistake]
    rule, sampling = ("recursive", WITHOUT) if rule == WITHOUT else (rule, DEFINED[rule][0])
    plant(monkeypatch, module, old, new)
    monkeypatch.setitem(globals(), "verify", node.verify.verify)
    with pytest.raises(AssertionError):
        assert_output_has_the_targets_distribution(rule, sampling, 2, name=name)


TOKENS = torch.tensor([1, 4])


HALF = torch.full((4,), 0.5, dtype=torch.float64)


def calls(target=TARGET, draft=DRAFT, num_drafts=2):
    """Every public function of two distributions."""
    return {
        "acceptance_rate": lambda: acceptance_rate(target, draft, num_drafts, "kseq"),
        "estimate_acceptance_rate": lambda: estimate_acceptance_rate(target, draft, num_drafts, "kseq"),
        "optimal_acceptance_rate": lambda: optimal_acceptance_rate(target, draft, num_drafts),
        "division_factor": lambda: division_factor(target, draft, num_drafts),
        "transport_plan": lambda: transport_plan(target, draft, num_drafts),
        "hockey_stick_divergence": lambda: hockey_stick_divergence(target, draft, torch.ones(2)),
        "verify": lambda: verify(target, draft, TOKENS, "kseq"),
    }


@pytest.mark.parametrize(
    ("probs", "error", "words"),
    [
        ([0.2] * 5, DtypeError, "must be a torch.Tensor, found list"),
        (torch.ones(5, dtype=torch.int64), DtypeError, "has dtype int64"),
        (torch.tensor(1.0), ShapeError, "with 0 dimensions"),
        (torch.empty(0), ShapeError, "the vocabulary is empty"),
        (TARGET * 0.9, ProbabilityError, "sums to 0.9 in row"),
        (TARGET * 0, EmptySupportError, "has no mass in row"),
        (TARGET * math.nan, ProbabilityError, "holds NaN in row"),
        (torch.tensor([1.5, -0.5, 0.0, 0.0, 0.0]), ProbabilityError, "holds -0.5 < 0 in row"),
    ],
)
@pytest.mark.parametrize("function", calls())
def test_rows_that_are_no_distribution(function, probs, error, words):
    for name in ("target", "draft"):
        with pytest.raises(error, match=f"{name}_probs.* {words}"):
            calls(**{name: probs})[function]()


@pytest.mark.parametrize("function", calls())
def test_models_with_different_vocabularies(function):
    with pytest.raises(ShapeError, match="target_probs has 5 tokens, draft_probs has 3"):
        calls(draft=double(EDGES["reversed"][1]))[function]()
    with pytest.raises(ShapeError, match=r"draft_probs has shape \(2, 5\), expected \(5,\) as target_probs"):
        calls(draft=DRAFT.expand(2, 5))[function]()


@pytest.mark.parametrize(
    ("num_drafts", "error", "words"),
    [
        (0, ArgumentError, "num_drafts is 0, expected at least 1"),
        (-1, ArgumentError, "num_drafts is -1"),
        (2.0, DtypeError, "num_drafts must be an int, found float"),
        ("2", DtypeError, "num_drafts must be an int, found str"),
        (True, DtypeError, "num_drafts must be an int, found bool"),
    ],
)
@pytest.mark.parametrize(
    "function", [name for name in calls() if name not in ("hockey_stick_divergence", "verify")]
)
def test_numbers_of_drafts(function, num_drafts, error, words):
    with pytest.raises(error, match=words):
        calls(num_drafts=num_drafts)[function]()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_pairs_that_are_not_defined(rule, sampling):
    """A rule under another distribution would not keep the target's: both functions refuse the same pairs."""
    if sampling in DEFINED[rule]:
        acceptance_rate(TARGET, DRAFT, 2, rule, sampling)
    else:
        for call in (
            lambda: acceptance_rate(TARGET, DRAFT, 2, rule, sampling),
            lambda: estimate_acceptance_rate(TARGET, DRAFT, 2, rule, sampling),
            lambda: verify(TARGET, DRAFT, TOKENS, rule, sampling),
        ):
            with pytest.raises(
                ArgumentError, match=f"rule {rule!r} is not defined for sampling {sampling!r}"
            ):
                call()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: verify(TARGET, DRAFT, TOKENS, "best"), ArgumentError, "rule is 'best', expected one of"),
        (lambda: verify(TARGET, DRAFT, TOKENS, None), DtypeError, "rule must be a string, found NoneType"),
        (lambda: verify(TARGET, DRAFT, TOKENS, "kseq", "sorted"), ArgumentError, "sampling is 'sorted'"),
        (lambda: optimal_acceptance_rate(TARGET, DRAFT, 2, "sorted"), ArgumentError, "sampling is 'sorted'"),
        (lambda: transport_plan(TARGET, DRAFT, 2, "sorted"), ArgumentError, "sampling is 'sorted'"),
        (lambda: acceptance_rate(TARGET, DRAFT, 3, "spechub"), ArgumentError, "draws two drafts"),
        (lambda: acceptance_rate(TARGET, DRAFT, 6, "greedy"), ArgumentError, "only 5 tokens"),
        (lambda: optimal_acceptance_rate(TARGET, DRAFT, 6, WITHOUT), ArgumentError, "only 5 tokens"),
        (lambda: transport_plan(TARGET.expand(2, 5), DRAFT.expand(2, 5), 2), ShapeError, "expected one row"),
        (
            lambda: transport_plan(TARGET, DRAFT, 6),
            ArgumentError,
            "15625 tuples of drafts, expected at most 10000",
        ),
        (
            lambda: estimate_acceptance_rate(TARGET, DRAFT, 2, "kseq", num_samples=1),
            ArgumentError,
            "num_samples is 1, expected at least 2",
        ),
        (lambda: estimate_acceptance_rate(TARGET, DRAFT, 2, "kseq", generator=0), DtypeError, "generator"),
        (
            lambda: hockey_stick_divergence(TARGET, DRAFT, torch.tensor([-1.0])),
            ArgumentError,
            "factors holds -1, expected no negative number",
        ),
        (
            lambda: hockey_stick_divergence(TARGET, DRAFT, torch.tensor([math.nan])),
            ArgumentError,
            "factors holds nan",
        ),
        (lambda: hockey_stick_divergence(TARGET, DRAFT, torch.ones(2, 2)), ShapeError, "factors has shape"),
        (lambda: hockey_stick_divergence(TARGET, DRAFT, 1.0), DtypeError, "factors must be a torch.Tensor"),
    ],
)
def test_arguments_that_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("rule", ["greedy", "spechub", "recursive", "optimal"])
def test_more_drafts_than_can_be_drawn(rule):
    draft = double(row(0, 1, 0, 0, 0))
    sampling = {"recursive": WITHOUT, "optimal": WITHOUT}.get(rule, rule)
    with pytest.raises(ArgumentError, match="has only 1 of positive probability"):
        acceptance_rate(TARGET, draft, 2, rule, sampling)
    with pytest.raises(ArgumentError, match="has only 1 of positive probability"):
        verify(TARGET, draft, torch.tensor([1, 2]), rule, sampling)


@pytest.mark.parametrize(
    ("tokens", "rule", "sampling", "error", "words"),
    [
        ([1, 4], "kseq", None, DtypeError, "draft_tokens must be a torch.Tensor"),
        (torch.tensor([1.0, 4.0]), "kseq", None, DtypeError, "draft_tokens has dtype float32"),
        (torch.tensor(1), "kseq", None, ShapeError, "draft_tokens has shape"),
        (torch.tensor([[1, 4]]), "kseq", None, ShapeError, r"draft_tokens has shape \(1, 2\), expected \(\)"),
        (torch.empty(0, dtype=torch.int64), "kseq", None, ShapeError, "at least one draft"),
        (torch.tensor([1, 5]), "kseq", None, ArgumentError, "draft_tokens holds 5, expected ids from 0 to 4"),
        (
            torch.tensor([-1, 2]),
            "kseq",
            None,
            ArgumentError,
            "draft_tokens holds -1, expected ids from 0 to 4",
        ),
        (torch.tensor([1, 1]), "recursive", WITHOUT, ArgumentError, "repeats a token"),
        (torch.tensor([0, 0]), "greedy", None, ArgumentError, "repeats a token"),
        (torch.tensor([2, 0]), "greedy", None, ArgumentError, "most probable tokens in falling order"),
        (torch.tensor([2, 0, 1]), "greedy", None, ArgumentError, "most probable tokens in falling order"),
        (torch.tensor([1, 2]), "spechub", None, ArgumentError, "one draft must be the most probable"),
        (torch.tensor([0, 1, 2]), "spechub", None, ArgumentError, "draws two drafts"),
        (torch.tensor([0, 1, 2, 3, 4, 0]), "greedy", None, ArgumentError, "only 5 tokens"),
    ],
)
def test_bad_drafts(tokens, rule, sampling, error, words):
    with pytest.raises(error, match=words):
        verify(TARGET, DRAFT, tokens, rule, sampling)
    if isinstance(tokens, torch.Tensor):
        with pytest.raises(error, match=words):
            verify_logits(TARGET.log(), DRAFT.log(), tokens, rule, sampling)


@pytest.mark.parametrize("rule", ["kseq", "recursive", "naive", "target_only"])
def test_a_draft_outside_the_support(rule):
    target, draft = (double(values) for values in EDGES["disjoint"])
    with pytest.raises(ArgumentError, match="gives probability 0: these drafts were not drawn from it"):
        verify(target, draft, torch.tensor([2, 0]), rule)
    with pytest.raises(ArgumentError, match="gives probability 0"):
        verify_logits(target.log(), draft.log(), torch.tensor([2, 0]), rule)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"noise": HALF[:3]}, ShapeError, r"noise has shape \(3,\), expected \(4,\)"),
        ({"noise": HALF.float()}, DtypeError, "noise has dtype float32"),
        ({"noise": HALF * 0}, ArgumentError, "noise must lie strictly between 0 and 1"),
        ({"noise": HALF * 2}, ArgumentError, "noise must lie strictly between 0 and 1"),
        (
            {"noise": HALF, "generator": torch.Generator()},
            ArgumentError,
            "noise and generator are both given",
        ),
        ({"generator": 3}, DtypeError, "generator must be a torch.Generator"),
        ({"backend": "cuda"}, ArgumentError, "backend is 'cuda'"),
        ({"backend": "triton"}, BackendError, "float64"),
    ],
)
def test_bad_noise_and_backends(options, error, words):
    with pytest.raises(error, match=words):
        verify(TARGET, DRAFT, TOKENS, "kseq", **options)


def test_logits_that_are_refused():
    good = TARGET.log()
    for logits, error, words in (
        (TARGET.tolist(), DtypeError, "must be a torch.Tensor"),
        (good * math.nan, ArgumentError, "holds NaN"),
        (good - math.inf, EmptySupportError, "-inf everywhere"),
        (good + math.inf, ArgumentError, r"holds \+inf"),
    ):
        with pytest.raises(error, match=f"target_logits.*{words}"):
            verify_logits(logits, good, TOKENS, "kseq")
        with pytest.raises(error, match=f"draft_logits.*{words}"):
            verify_logits(good, logits, TOKENS, "kseq")
    with pytest.raises(ShapeError, match="target_logits has 5 tokens, draft_logits has 4"):
        verify_logits(good, good[:4], TOKENS, "kseq")
