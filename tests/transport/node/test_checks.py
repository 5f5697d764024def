"""Bad input to the public functions at one node: each error names the argument and what was expected."""

from __future__ import annotations

import math

import pytest
import torch

from tests.transport.instances import EDGES, double, row
from tokenlab.errors import (
    ArgumentError,
    BackendError,
    DtypeError,
    EmptySupportError,
    ProbabilityError,
    ShapeError,
)
from tokenlab.transport import (
    DEFINED,
    RULES,
    SAMPLINGS,
    acceptance_rate,
    division_factor,
    draw_drafts,
    estimate_acceptance_rate,
    hockey_stick_divergence,
    optimal_acceptance_rate,
    transport_plan,
    verify,
    verify_logits,
)

WITHOUT = "without_replacement"


TARGET, DRAFT = (double(values) for values in EDGES["five"])
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


def test_greedy_drafts_of_a_rounded_softmax_are_taken():
    """Two logits differ by 1e-8: a softmax in float32 takes them for equal, one in float64 does not."""
    logits = torch.tensor([0.1, 0.1 + 1e-8, -1.0], dtype=torch.float64).to(torch.float32)
    assert logits[1] > logits[0]
    rounded = logits.softmax(-1)
    assert rounded[1] == rounded[0]
    for k in (2, 3):
        tokens = draw_drafts(rounded, k, "greedy", generator=torch.Generator().manual_seed(0))
        assert tokens[0] == 0
        verify_logits(logits, logits, tokens, "greedy")
        verify_logits(logits.double(), logits.double(), tokens, "greedy")
    with pytest.raises(ArgumentError, match="most probable tokens in falling order"):
        verify_logits(logits, logits, torch.tensor([2, 0]), "greedy")
    with pytest.raises(ArgumentError, match="most probable tokens in falling order"):
        verify(logits.double().softmax(-1), logits.double().softmax(-1), torch.tensor([0, 1]), "greedy")


def test_a_hub_that_rounding_decides_is_refused():
    """SpecHub's tests hang on which token was the hub; with equal logits it is the first."""
    logits = torch.tensor([0.1, 0.1 + 1e-8, -1.0], dtype=torch.float64).to(torch.float32)
    with pytest.raises(ArgumentError, match="equal but for rounding"):
        verify_logits(logits, logits, torch.tensor([0, 1]), "spechub")
    equal = torch.tensor([0.1, 0.1, -1.0])
    assert verify_logits(equal, equal, torch.tensor([0, 2]), "spechub").token.item() in (0, 1, 2)


def test_drafts_that_only_float32_gives_probability_0_are_taken():
    logits = torch.tensor([0.0, -200.0])
    assert verify_logits(logits, logits, torch.tensor([1]), "recursive").token.item() == 1
