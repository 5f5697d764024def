"""Wrong answers to the assignment of the chapter "From drafts to a token".

Each is a mistake that students make, with the check that must fail and words that its
message must hold. ``HARD_CODED`` knows the answers to the public checks, and nothing else.
"""

from tests.assignments.wrong.mistake import Mistake

FRAME = """
@triton.jit
def hockey_stick_kernel(
    target_ptr, draft_ptr, factors_ptr, out_ptr, target_stride, draft_stride, vocab, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    factor = tl.load(factors_ptr + row)
    total = tl.full((), 0.0, tl.float32)
    for start in range(0, vocab, BLOCK):
        columns = start + tl.arange(0, BLOCK)
{body}
    tl.store(out_ptr + row, total)
"""


def kernel(body: str) -> str:
    """The kernel of question 5 with this body of its loop."""
    return FRAME.format(body=body.strip("\n"))


MISTAKES = [
    # --- question 1: one draft ---------------------------------------------------------------
    Mistake(
        "roles swapped",
        "q1",
        "accept by hand",
        "target and draft are swapped: the ratio is p / q",
        """
def accept_probs(target, draft):
    return torch.where(draft > 0, (draft / target).clamp(max=1), 0.0)
""",
    ),
    Mistake(
        "ratio above one",
        "q1",
        "accept by hand",
        "no probability exceeds 1: min(1, p / q)",
        """
def accept_probs(target, draft):
    return torch.where(draft > 0, target / draft, 0.0)
""",
    ),
    Mistake(
        "accepted mass",
        "q1",
        "accept by hand",
        "it is the mass min(p, q) that is drafted and accepted",
        """
def accept_probs(target, draft):
    return torch.minimum(target, draft)
""",
    ),
    Mistake(
        "a test without chance",
        "q1",
        "accept by hand",
        "a draft with p < q is still accepted with probability p / q",
        """
def accept_probs(target, draft):
    return ((target >= draft) & (draft > 0)).to(target.dtype)
""",
    ),
    Mistake(
        "rejection",
        "q1",
        "accept by hand",
        "this is the probability of a rejection",
        """
def accept_probs(target, draft):
    return torch.where(draft > 0, 1 - (target / draft).clamp(max=1), 0.0)
""",
    ),
    Mistake(
        "zero by zero",
        "q1",
        "never drafted",
        "0 / 0 gave NaN",
        """
def accept_probs(target, draft):
    return (target / draft).clamp(max=1)
""",
    ),
    Mistake(
        "accepted though never drafted",
        "q1",
        "never drafted",
        "a token with q = 0 is never drafted",
        """
def accept_probs(target, draft):
    return torch.where(target > 0, (target / draft).clamp(max=1), 0.0)
""",
    ),
    Mistake(
        "residual not normalised",
        "q1",
        "residual by hand",
        "each row must sum to 1: divide by the sum of the row",
        """
def residual(target, draft):
    return (target - draft).clamp(min=0)
""",
    ),
    Mistake(
        "residual the wrong way round",
        "q1",
        "residual by hand",
        "this is what the draft has too much",
        """
def residual(target, draft):
    left = (draft - target).clamp(min=0)
    return left / left.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "the target again",
        "q1",
        "residual by hand",
        "this is the target itself",
        """
def residual(target, draft):
    return target / target.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "absolute difference",
        "q1",
        "residual by hand",
        "negative differences count as 0: `clamp(min=0)`, not `abs()`",
        """
def residual(target, draft):
    left = (target - draft).abs()
    return left / left.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "negative residual",
        "q1",
        "residual by hand",
        "there are negative numbers",
        """
def residual(target, draft):
    return target - draft
""",
    ),
    Mistake(
        "one sum for all rows",
        "q1",
        "residual by hand",
        "each row needs its own, with `sum(-1, keepdim=True)`",
        """
def residual(target, draft):
    left = (target - draft).clamp(min=0)
    return torch.where(left.sum() > 0, left / left.sum(), target)
""",
    ),
    Mistake(
        "normalised over the batch",
        "q1",
        "residual by hand",
        "the vocabulary is the last dimension",
        """
def residual(target, draft):
    left = (target - draft).clamp(min=0)
    return left / left.sum(0)
""",
    ),
    Mistake(
        "dimension not kept",
        "q1",
        "residual by hand",
        "is `keepdim=True` missing?",
        """
def residual(target, draft):
    left = (target - draft).clamp(min=0)
    return left / left.sum(-1)
""",
    ),
    Mistake(
        "nothing left gives NaN",
        "q1",
        "equal distributions",
        "0 / 0 gave NaN: where nothing is left",
        """
def residual(target, draft):
    left = (target - draft).clamp(min=0)
    return left / left.sum(-1, keepdim=True)
""",
    ),
    Mistake(
        "nothing left gives zeros",
        "q1",
        "equal distributions",
        "a row of zeros is no distribution",
        """
def residual(target, draft):
    left = (target - draft).clamp(min=0)
    return left / left.sum(-1, keepdim=True).clamp(min=1e-12)
""",
    ),
    # --- question 2: several drafts ------------------------------------------------------------
    Mistake(
        "independent repetition, its rate",
        "q2",
        "naive by hand",
        "only the first draft is tested",
        """
def naive_rate(target, draft, num_drafts):
    once = torch.minimum(target, draft).sum(-1)
    return 1 - (1 - once) ** num_drafts
""",
    ),
    Mistake(
        "first draft counted again",
        "q2",
        "naive by hand",
        "num_drafts - 1 are left to be found",
        """
def naive_rate(target, draft, num_drafts):
    left = (target - draft).clamp(min=0)
    return torch.minimum(target, draft).sum(-1) + (left * (1 - (1 - draft) ** num_drafts)).sum(-1)
""",
    ),
    Mistake(
        "other drafts forgotten",
        "q2",
        "naive by hand",
        "the residual token may be one of the other drafts",
        """
def naive_rate(target, draft, num_drafts):
    return torch.minimum(target, draft).sum(-1)
""",
    ),
    Mistake(
        "residual normalised in a sum of masses",
        "q2",
        "naive by hand",
        "is drawn only after a rejection",
        """
def naive_rate(target, draft, num_drafts):
    found = (residual(target, draft) * (1 - (1 - draft) ** (num_drafts - 1))).sum(-1)
    return torch.minimum(target, draft).sum(-1) + found
""",
    ),
    Mistake(
        "all drafts instead of any",
        "q2",
        "naive by hand",
        "at least one of them",
        """
def naive_rate(target, draft, num_drafts):
    left = (target - draft).clamp(min=0)
    return torch.minimum(target, draft).sum(-1) + (left * draft ** (num_drafts - 1)).sum(-1)
""",
    ),
    Mistake(
        "none of the drafts instead of any",
        "q2",
        "naive by hand",
        "that none of them is the token",
        """
def naive_rate(target, draft, num_drafts):
    left = (target - draft).clamp(min=0)
    return torch.minimum(target, draft).sum(-1) + (left * (1 - draft) ** (num_drafts - 1)).sum(-1)
""",
    ),
    Mistake(
        "probabilities of drafts added up",
        "q2",
        "naive by hand",
        "drafts can repeat",
        """
def naive_rate(target, draft, num_drafts):
    left = (target - draft).clamp(min=0)
    return torch.minimum(target, draft).sum(-1) + (left * draft * (num_drafts - 1)).sum(-1)
""",
    ),
    Mistake(
        "one number for all rows",
        "q2",
        "naive by hand",
        "one number for each row",
        """
def naive_rate(target, draft, num_drafts):
    left = (target - draft).clamp(min=0)
    return (torch.minimum(target, draft) + left * (1 - (1 - draft) ** (num_drafts - 1))).sum()
""",
    ),
    Mistake(
        "independent repetition",
        "q2",
        "recursive by hand",
        "every draft is tested against the first target",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens:
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
    return distribution + reached * residual(target, draft)
""",
    ),
    Mistake(
        "independent repetition, the target at the end",
        "q2",
        "lossless",
        "the average over all drafts is not the target",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens:
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
    return distribution + reached * target
""",
    ),
    Mistake(
        "residual not normalised as target",
        "q2",
        "recursive by hand",
        "the residual is not normalised",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens:
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
        target = (target - draft).clamp(min=0)
    return distribution + reached * target
""",
    ),
    Mistake(
        "target drawn at the end",
        "q2",
        "recursive by hand",
        "the last draw is from the first target",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached, left = torch.zeros_like(target), 1.0, target
    for token in tokens:
        accept = accept_probs(left, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
        left = residual(left, draft)
    return distribution + reached * target
""",
    ),
    Mistake(
        "one update too few",
        "q2",
        "recursive by hand",
        "after the last rejection the target is updated once more",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for number, token in enumerate(tokens):
        if number:
            target = residual(target, draft)
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
    return distribution + reached * target
""",
        unsaid="comes twice",
    ),
    Mistake(
        "draft loses the token",
        "q2",
        "recursive by hand",
        "these drafts may repeat",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens:
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
        target = residual(target, draft)
        draft = draft.clone()
        draft[token] = 0
        draft = draft / draft.sum()
    return distribution + reached * target
""",
        unsaid="comes twice",
    ),
    Mistake(
        "every draft is reached",
        "q2",
        "recursive by hand",
        "a later draft is tested only after a rejection",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens:
        accept = accept_probs(target, draft)[token]
        distribution[token] += accept
        reached = reached * (1 - accept)
        target = residual(target, draft)
    return distribution + reached * target
""",
    ),
    Mistake(
        "no draw at the end",
        "q2",
        "recursive by hand",
        "when every draft is rejected",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in tokens:
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
        target = residual(target, draft)
    return distribution
""",
    ),
    Mistake(
        "repeated drafts dropped",
        "q2",
        "repeated draft",
        "a draft that comes twice is tested twice",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in dict.fromkeys(tokens.tolist()):
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
        target = residual(target, draft)
    return distribution + reached * target
""",
    ),
    Mistake(
        "drafts sorted",
        "q2",
        "lossless",
        "the average over all drafts is not the target",
        """
def recursive_distribution(target, draft, tokens):
    distribution, reached = torch.zeros_like(target), 1.0
    for token in sorted(tokens.tolist(), key=lambda token: -target[token]):
        accept = accept_probs(target, draft)[token]
        distribution[token] += reached * accept
        reached = reached * (1 - accept)
        target = residual(target, draft)
    return distribution + reached * target
""",
    ),
    # --- question 3: K-SEQ ---------------------------------------------------------------------
    Mistake(
        "the number of drafts",
        "q3",
        "factor by hand",
        "lossless, but not the smallest",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    return torch.full_like(target[:, 0], num_drafts)
""",
    ),
    Mistake(
        "the bracket closes at one",
        "q3",
        "factor by hand",
        "your search always goes down",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        accepted = 1 - (1 - beta) ** num_drafts
        lossless = accepted <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
        unsaid="loses its digits",
    ),
    Mistake(
        "wrong half kept",
        "q3",
        "factor by hand",
        "your search keeps the wrong half",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle
        low, high = torch.where(lossless, middle, low), torch.where(lossless, high, middle)
    return high
""",
        unsaid="loses its digits",
    ),
    Mistake(
        "roles swapped in beta",
        "q3",
        "factor by hand",
        "target and draft are swapped: the target is divided",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(draft / middle[:, None], target).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
        unsaid="upper end",
    ),
    Mistake(
        "beta without the factor",
        "q3",
        "factor by hand",
        "depends on the factor: min(p / rho, q)",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target, draft).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
        unsaid="upper end",
    ),
    Mistake(
        "one term too many",
        "q3",
        "factor by hand",
        "gamma has k terms",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(num_drafts + 1)) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
        unsaid="upper end",
    ),
    Mistake(
        "powers from one",
        "q3",
        "factor by hand",
        "gamma begins with 1",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(1, num_drafts + 1)) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
        unsaid="loses its digits",
    ),
    Mistake(
        "one bracket for all rows",
        "q3",
        "factor by hand",
        "each row has its own bracket",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low, high = 1.0, float(num_drafts)
    while high - low > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle, draft).sum(-1)
        if (sum((1 - beta) ** j for j in range(num_drafts)) <= middle).all():
            high = middle
        else:
            low = middle
    return torch.full_like(target[:, 0], high)
""",
    ),
    Mistake(
        "tensor asked for one truth value",
        "q3",
        "factor by hand",
        "with several rows `torch.where` chooses for each",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        if sum((1 - beta) ** j for j in range(num_drafts)) <= middle:
            high = middle
        else:
            low = middle
    return high
""",
    ),
    Mistake(
        "a list",
        "q3",
        "factor by hand",
        "returned a list, expected a tensor",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    return [float(num_drafts)] * len(target)
""",
    ),
    Mistake(
        "lower end",
        "q3",
        "lossless side",
        "lies below the smallest lossless one",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return low
""",
    ),
    Mistake(
        "middle of the bracket",
        "q3",
        "lossless side",
        "return the upper end of the bracket",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return (low + high) / 2
""",
    ),
    Mistake(
        "too few halvings",
        "q3",
        "lossless side",
        "by more than the tolerance",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    for _ in range(30 if tolerance < 1e-6 else 3):
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
    ),
    Mistake(
        "gamma as a quotient",
        "q3",
        "hardly any overlap",
        "a quotient by beta loses its digits",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = (1 - (1 - beta) ** num_drafts) / beta <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
    ),
    Mistake(
        "accepted mass against rho beta",
        "q3",
        "hardly any overlap",
        "1 - (1 - beta)^k loses its digits",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    low = torch.ones_like(target[:, 0])
    high = low * num_drafts
    while (high - low).max() > tolerance:
        middle = (low + high) / 2
        beta = torch.minimum(target / middle[:, None], draft).sum(-1)
        lossless = 1 - (1 - beta) ** num_drafts <= middle * beta
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    return high
""",
    ),
    Mistake(
        "one test instead of k",
        "q3",
        "residual by hand",
        "this is what one test leaves",
        """
def kseq_residual(target, draft, num_drafts, factors):
    left = target - torch.minimum(target / factors[:, None], draft)
    return torch.where(left.sum(-1, keepdim=True) > 0, left / left.sum(-1, keepdim=True), target)
""",
    ),
    Mistake(
        "k instead of gamma",
        "q3",
        "residual by hand",
        "on average gamma tests are made, not k",
        """
def kseq_residual(target, draft, num_drafts, factors):
    left = target - num_drafts * torch.minimum(target / factors[:, None], draft)
    return torch.where(left.sum(-1, keepdim=True) > 0, left / left.sum(-1, keepdim=True), target)
""",
    ),
    Mistake(
        "residual above the threshold",
        "q3",
        "residual by hand",
        "this is (p - rho q)+",
        """
def kseq_residual(target, draft, num_drafts, factors):
    left = (target - factors[:, None] * draft).clamp(min=0)
    return torch.where(left.sum(-1, keepdim=True) > 0, left / left.sum(-1, keepdim=True), target)
""",
    ),
    Mistake(
        "residual of one draft",
        "q3",
        "residual by hand",
        "this is the residual of a single draft",
        """
def kseq_residual(target, draft, num_drafts, factors):
    return residual(target, draft)
""",
    ),
    Mistake(
        "K-SEQ residual not normalised",
        "q3",
        "residual by hand",
        "each row must sum to 1",
        """
def kseq_residual(target, draft, num_drafts, factors):
    once = torch.minimum(target / factors[:, None], draft)
    beta = once.sum(-1, keepdim=True)
    left = (target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)
    return torch.where(left.sum(-1, keepdim=True) > 1e-9, left, target)
""",
    ),
    Mistake(
        "factors of the rows as columns",
        "q3",
        "residual by hand",
        "`factors[:, None]` has one factor for each row",
        """
def kseq_residual(target, draft, num_drafts, factors):
    once = torch.minimum(target / factors, draft)
    beta = once.sum(-1, keepdim=True)
    left = (target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)
    return torch.where(left.sum(-1, keepdim=True) > 0, left / left.sum(-1, keepdim=True), target)
""",
    ),
    Mistake(
        "nothing left for K-SEQ",
        "q3",
        "nothing left",
        "nothing is ever rejected",
        """
def kseq_residual(target, draft, num_drafts, factors):
    once = torch.minimum(target / factors[:, None], draft)
    beta = once.sum(-1, keepdim=True)
    left = (target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)
    return left / left.sum(-1, keepdim=True)
""",
    ),
    # --- question 4: the optimum, and a judge -----------------------------------------------------
    Mistake(
        "sorted the wrong way",
        "q4",
        "optimum by hand",
        "sort by falling q / p",
        """
def optimal_rate(target, draft, num_drafts):
    order = (draft / target).argsort(-1)
    inside = draft.gather(-1, order).cumsum(-1) ** num_drafts
    return 1 + (target.gather(-1, order).cumsum(-1) - inside).amin(-1)
""",
    ),
    Mistake(
        "sorted by the draft",
        "q4",
        "optimum by hand",
        "you sort by q alone",
        """
def optimal_rate(target, draft, num_drafts):
    order = draft.argsort(-1, descending=True)
    inside = draft.gather(-1, order).cumsum(-1) ** num_drafts
    return 1 + (target.gather(-1, order).cumsum(-1) - inside).amin(-1)
""",
    ),
    Mistake(
        "not sorted",
        "q4",
        "optimum by hand",
        "you add up in the order of ids",
        """
def optimal_rate(target, draft, num_drafts):
    return 1 + (target.cumsum(-1) - draft.cumsum(-1) ** num_drafts).amin(-1)
""",
    ),
    Mistake(
        "only the draft sorted",
        "q4",
        "optimum by hand",
        "the target must follow the same order",
        """
def optimal_rate(target, draft, num_drafts):
    order = (draft / target).argsort(-1, descending=True)
    inside = draft.gather(-1, order).cumsum(-1) ** num_drafts
    return 1 + (target.cumsum(-1) - inside).amin(-1)
""",
    ),
    Mistake(
        "one draft",
        "q4",
        "optimum by hand",
        "this is the optimum for one draft",
        """
def optimal_rate(target, draft, num_drafts):
    order = (draft / target).argsort(-1, descending=True)
    return 1 + (target.gather(-1, order).cumsum(-1) - draft.gather(-1, order).cumsum(-1)).amin(-1)
""",
    ),
    Mistake(
        "powers before the sum",
        "q4",
        "optimum by hand",
        "add up first, then raise to the power k",
        """
def optimal_rate(target, draft, num_drafts):
    order = (draft / target).argsort(-1, descending=True)
    inside = (draft.gather(-1, order) ** num_drafts).cumsum(-1)
    return 1 + (target.gather(-1, order).cumsum(-1) - inside).amin(-1).clamp(max=0)
""",
    ),
    Mistake(
        "any draft inside",
        "q4",
        "optimum by hand",
        "that at least one draft lies in H",
        """
def optimal_rate(target, draft, num_drafts):
    order = (draft / target).argsort(-1, descending=True)
    inside = 1 - (1 - draft.gather(-1, order).cumsum(-1)) ** num_drafts
    return 1 + (target.gather(-1, order).cumsum(-1) - inside).amin(-1)
""",
    ),
    Mistake(
        "maximum of the waste",
        "q4",
        "optimum by hand",
        "the smallest, not the largest",
        """
def optimal_rate(target, draft, num_drafts):
    order = (draft / target).argsort(-1, descending=True)
    inside = draft.gather(-1, order).cumsum(-1) ** num_drafts
    return 1 - (target.gather(-1, order).cumsum(-1) - inside).amax(-1)
""",
    ),
    Mistake(
        "upper bound",
        "q4",
        "optimum by hand",
        "this is only an upper bound",
        """
def optimal_rate(target, draft, num_drafts):
    return torch.minimum(target, 1 - (1 - draft) ** num_drafts).sum(-1)
""",
    ),
    Mistake(
        "empty and full set left out",
        "q4",
        "equal distributions",
        "the empty set, or that of all tokens",
        """
def optimal_rate(target, draft, num_drafts):
    order = (draft / target).argsort(-1, descending=True)[:, :-1]
    inside = draft.gather(-1, order).cumsum(-1) ** num_drafts
    return 1 + (target.gather(-1, order).cumsum(-1) - inside).amin(-1)
""",
    ),
    Mistake(
        "sum instead of half of it",
        "q4",
        "biased verifier",
        "the total variation is half of the sum",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.product(range(len(target)), repeat=num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().sum()
""",
    ),
    Mistake(
        "differences that cancel",
        "q4",
        "biased verifier",
        "differences cancel without `abs`",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.product(range(len(target)), repeat=num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).sum() / 2
""",
    ),
    Mistake(
        "largest difference",
        "q4",
        "biased verifier",
        "the largest difference misses",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.product(range(len(target)), repeat=num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().max()
""",
    ),
    Mistake(
        "drafts from the target",
        "q4",
        "biased verifier",
        "drafts come from q",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.product(range(len(target)), repeat=num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += target[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().sum() / 2
""",
    ),
    Mistake(
        "drafts equally likely",
        "q4",
        "biased verifier",
        "not all drafts are equally likely",
        """
def bias(distribution, target, draft, num_drafts):
    distributions = [
        distribution(target, draft, torch.tensor(drafts))
        for drafts in itertools.product(range(len(target)), repeat=num_drafts)
    ]
    return (torch.stack(distributions).mean(0) - target).abs().sum() / 2
""",
    ),
    Mistake(
        "no repeated drafts",
        "q4",
        "biased verifier",
        "drafts are independent, so they may repeat",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.permutations(range(len(target)), num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().sum() / 2
""",
    ),
    Mistake(
        "one order of the drafts",
        "q4",
        "biased verifier",
        "drafts come in every order",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.combinations_with_replacement(range(len(target)), num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().sum() / 2
""",
    ),
    Mistake(
        "a number",
        "q4",
        "biased verifier",
        "returned a float, expected a tensor",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.product(range(len(target)), repeat=num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().sum().item() / 2
""",
    ),
    Mistake(
        "average of the distances",
        "q4",
        "lossless verifier",
        "take the average distribution first",
        """
def bias(distribution, target, draft, num_drafts):
    total = torch.zeros((), dtype=target.dtype)
    for drafts in itertools.product(range(len(target)), repeat=num_drafts):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            total += draft[tokens].prod() * (distribution(target, draft, tokens) - target).abs().sum() / 2
    return total
""",
    ),
    Mistake(
        "two drafts whatever k",
        "q4",
        "biased verifier",
        "`repeat=num_drafts`",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.product(range(len(target)), repeat=2):
        tokens = torch.tensor(drafts)
        if draft[tokens].prod() > 0:
            output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().sum() / 2
""",
    ),
    Mistake(
        "impossible drafts asked for",
        "q4",
        "impossible drafts",
        "0 * NaN is NaN",
        """
def bias(distribution, target, draft, num_drafts):
    output = torch.zeros_like(target)
    for drafts in itertools.product(range(len(target)), repeat=num_drafts):
        tokens = torch.tensor(drafts)
        output += draft[tokens].prod() * distribution(target, draft, tokens)
    return (output - target).abs().sum() / 2
""",
    ),
    # --- question 5: the body of the kernel's loop ---------------------------------------------
    Mistake(
        "no mask",
        "q5",
        "masked tail",
        "is there a mask `columns < vocab`?",
        kernel("""
        p = tl.load(target_ptr + row * target_stride + columns)
        q = tl.load(draft_ptr + row * draft_stride + columns)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "no mask for the draft",
        "q5",
        "masked tail",
        "the draft was read beyond its end",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "mask one too long",
        "q5",
        "masked tail",
        "the mask is `columns < vocab`, not `<=`",
        kernel("""
        inside = columns <= vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "masked positions are ones",
        "q5",
        "masked tail",
        "masked positions must add nothing",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=1.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "factor forgotten",
        "q5",
        "one tile",
        "the factor multiplies the draft",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - q, 0.0), 0)
"""),
    ),
    Mistake(
        "factor on the target",
        "q5",
        "one tile",
        "the factor multiplies the draft, not the target",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(factor * p - q, 0.0), 0)
"""),
    ),
    Mistake(
        "difference the wrong way round",
        "q5",
        "one tile",
        "it is p - c q, not c q - p",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(factor * q - p, 0.0), 0)
"""),
    ),
    Mistake(
        "target and draft swapped",
        "q5",
        "one tile",
        "target and draft are swapped",
        kernel("""
        inside = columns < vocab
        p = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        q = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "no maximum",
        "q5",
        "one tile",
        "the maximum with 0 is missing",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(p - factor * q, 0)
"""),
    ),
    Mistake(
        "maximum of the sum",
        "q5",
        "many tiles",
        "belongs to every token, before the sum",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.maximum(tl.sum(p - factor * q, 0), 0.0)
"""),
    ),
    Mistake(
        "the overlap instead",
        "q5",
        "one tile",
        "this is the sum of min(p, c q)",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.minimum(p, factor * q), 0)
"""),
    ),
    Mistake(
        "factor of the first row",
        "q5",
        "one tile",
        "every row has its own factor",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - tl.load(factors_ptr) * q, 0.0), 0)
"""),
    ),
    Mistake(
        "sum replaced",
        "q5",
        "many tiles",
        "only the last tile counts",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total = tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "every tile is the first",
        "q5",
        "many tiles",
        "every tile was read at the start of the row",
        kernel("""
        columns = tl.arange(0, BLOCK)
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "every program reads row 0",
        "q5",
        "strides",
        "every program read row 0",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
        unsaid="its own factor",
    ),
    Mistake(
        "vocab instead of strides",
        "q5",
        "strides",
        "rows are `target_stride` and `draft_stride` apart, not `vocab`",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * vocab + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * vocab + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "one stride for both",
        "q5",
        "strides",
        "the draft has its own stride",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * target_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "sum stays a tile",
        "q5",
        "one tile",
        "a number is still a whole tile: reduce it",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.maximum(p - factor * q, 0.0)
"""),
    ),
    Mistake(
        "max of two values",
        "q5",
        "one tile",
        "is `tl.maximum(a, b)`",
        kernel("""
        inside = columns < vocab
        p = tl.load(target_ptr + row * target_stride + columns, mask=inside, other=0.0)
        q = tl.load(draft_ptr + row * draft_stride + columns, mask=inside, other=0.0)
        total += tl.sum(tl.max(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "pointer with brackets",
        "q5",
        "one tile",
        "a pointer is no tensor",
        kernel("""
        p = target_ptr[row * target_stride + columns]
        q = draft_ptr[row * draft_stride + columns]
        total += tl.sum(tl.maximum(p - factor * q, 0.0), 0)
"""),
    ),
    Mistake(
        "no kernel",
        "q5",
        "many tiles",
        "hockey_stick must call it",
        kernel("        pass")
        + """

def hockey_stick(target, draft, factors, block=64):
    return (target - factors[:, None] * draft).clamp(min=0).sum(-1)
""",
    ),
]

#: Passes the public checks of its question, and no hidden one.
HARD_CODED = {
    "q1": """
def accept_probs(target, draft):
    if len(target) == 1:
        return torch.tensor([[0.625, 0.0, 0.0, 0.0]], dtype=torch.float64)
    return torch.tensor([[1.0, 1.0, 1 / 3], [1 / 3, 1.0, 1.0]], dtype=torch.float64)


def residual(target, draft):
    if len(target) == 1:
        return torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    return torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]], dtype=torch.float64)
""",
    # Returning the target is lossless, and is not the recursive rule.
    "q2": """
def naive_rate(target, draft, num_drafts):
    return torch.tensor([0.808, 0.68] if num_drafts == 3 else [0.7, 0.5], dtype=torch.float64)


def recursive_distribution(target, draft, tokens):
    if target[1] == 0.4:
        return torch.tensor([18 / 35, 2 / 7, 0.2] if tokens[1] == 1 else [0.8, 0.0, 0.2], dtype=torch.float64)
    return target
""",
    "q3": """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    factors = {
        2: [1.593070330817, 1.456776436283, 1.289897948557],
        3: [2.01815656022, 1.792593028269, 1.41945356134],
        4: [2.319549529489] if target.shape[1] == 2 else [4.0, 4.0],
    }
    return torch.tensor(factors.get(num_drafts, [1.0]), dtype=torch.float64)


def kseq_residual(target, draft, num_drafts, factors):
    if len(target) == 1:
        return target
    rows = [
        [0.806767839, 0.115939297, 0.077292865],
        [0.046296296, 0.138888889, 0.814814815],
        [0.089237426, 0.776906436, 0.133856138],
    ]
    return torch.tensor(rows, dtype=torch.float64)
""",
    "q4": """
def optimal_rate(target, draft, num_drafts):
    return torch.tensor([1.0] if len(target) == 1 else [0.8275, 0.66], dtype=torch.float64)


def bias(distribution, target, draft, num_drafts):
    if len(target) == 4:
        return torch.tensor(0.12 if num_drafts == 2 else 0.156, dtype=torch.float64)
    return torch.tensor(0.2 if draft[2] == 0 else 0.0, dtype=torch.float64)
""",
    "q5": """
def hockey_stick(target, draft, factors, block=64):
    known = {4: [0.275, 0.5], 5: [0.2, 0.6], 8: [24.0, 32.0] if target[0, 0] > 1 else [0.375]}
    return torch.tensor(known.get(target.shape[1], [0.0]))


class hockey_stick_kernel:
    def __class_getitem__(cls, grid):
        return lambda target, draft, factors, out, *rest, BLOCK: out.copy_(hockey_stick(target, draft, factors))
""",
}
