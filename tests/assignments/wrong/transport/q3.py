"""Question 3, K-SEQ: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "the number of drafts",
        "factor by hand",
        "lossless, but not the smallest",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    return torch.full_like(target[:, 0], num_drafts)
""",
    ),
    Mistake(
        "the bracket closes at one",
        "factor by hand",
        "your search always goes down",
        Edit(
            "lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle",
            """accepted = 1 - (1 - beta) ** num_drafts
        lossless = accepted <= middle""",
        ),
        unsaid="loses its digits",
    ),
    Mistake(
        "wrong half kept",
        "factor by hand",
        "your search keeps the wrong half",
        Edit(
            "(lossless, low, middle), torch.where(lossless, middle, high)",
            "(lossless, middle, low), torch.where(lossless, high, middle)",
        ),
        unsaid="loses its digits",
    ),
    Mistake(
        "roles swapped in beta",
        "factor by hand",
        "target and draft are swapped: the target is divided",
        Edit(
            ".minimum(target / middle[:, None], draft).sum", ".minimum(draft / middle[:, None], target).sum"
        ),
        unsaid="upper end",
    ),
    Mistake(
        "beta without the factor",
        "factor by hand",
        "depends on the factor: min(p / rho, q)",
        Edit(".minimum(target / middle[:, None], draft)", ".minimum(target, draft)"),
        unsaid="upper end",
    ),
    Mistake(
        "one term too many",
        "factor by hand",
        "gamma has k terms",
        Edit(
            "((1 - beta) ** j for j in range(num_drafts)) <= middle",
            "((1 - beta) ** j for j in range(num_drafts + 1)) <= middle",
        ),
        unsaid="upper end",
    ),
    Mistake(
        "powers from one",
        "factor by hand",
        "gamma begins with 1",
        Edit(
            "((1 - beta) ** j for j in range(num_drafts)) <= middle",
            "((1 - beta) ** j for j in range(1, num_drafts + 1)) <= middle",
        ),
        unsaid="loses its digits",
    ),
    Mistake(
        "one bracket for all rows",
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
        "factor by hand",
        "with several rows `torch.where` chooses for each",
        Edit(
            "        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)",
            "        if lossless:\n            high = middle\n        else:\n            low = middle",
        ),
    ),
    Mistake(
        "a list",
        "factor by hand",
        "returned a list, expected a tensor",
        """
def division_factor(target, draft, num_drafts, tolerance=1e-9):
    return [float(num_drafts)] * len(target)
""",
    ),
    Mistake(
        "lower end",
        "lossless side",
        "lies below the smallest lossless one",
        Edit("return high", "return low"),
    ),
    Mistake(
        "middle of the bracket",
        "lossless side",
        "return the upper end of the bracket",
        Edit("return high", "return (low + high) / 2"),
    ),
    Mistake(
        "too few halvings",
        "lossless side",
        "by more than the tolerance",
        Edit("while (high - low).max() > tolerance:", "for _ in range(30 if tolerance < 1e-6 else 3):"),
    ),
    Mistake(
        "gamma as a quotient",
        "hardly any overlap",
        "a quotient by beta loses its digits",
        Edit(
            "lossless = sum((1 - beta) ** j for j in range(num_drafts)) <=",
            "lossless = (1 - (1 - beta) ** num_drafts) / beta <=",
        ),
    ),
    Mistake(
        "accepted mass against rho beta",
        "hardly any overlap",
        "1 - (1 - beta)^k loses its digits",
        Edit(
            "lossless = sum((1 - beta) ** j for j in range(num_drafts)) <= middle",
            "lossless = 1 - (1 - beta) ** num_drafts <= middle * beta",
        ),
    ),
    Mistake(
        "one test instead of k",
        "residual by hand",
        "this is what one test leaves",
        Edit(" * sum((1 - beta) ** j for j in range(num_drafts))", ""),
    ),
    Mistake(
        "k instead of gamma",
        "residual by hand",
        "on average gamma tests are made, not k",
        Edit(
            "(target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)",
            "target - num_drafts * once",
        ),
    ),
    Mistake(
        "residual above the threshold",
        "residual by hand",
        "this is (p - rho q)+",
        Edit("once * sum((1 - beta) ** j for j in range(num_drafts))", "factors[:, None] * draft"),
    ),
    Mistake(
        "residual of one draft",
        "residual by hand",
        "this is the residual of a single draft",
        """
def kseq_residual(target, draft, num_drafts, factors):
    return residual(target, draft)
""",
    ),
    Mistake(
        "K-SEQ residual not normalised",
        "residual by hand",
        "each row must sum to 1",
        Edit(
            """unused = (target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)
    mass = unused.sum(-1, keepdim=True)
    return torch.where(mass > 0, unused / mass, target)""",
            """left = (target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)
    return torch.where(left.sum(-1, keepdim=True) > 1e-9, left, target)""",
        ),
    ),
    Mistake(
        "factors of the rows as columns",
        "residual by hand",
        "`factors[:, None]` has one factor for each row",
        Edit("factors[:, None]", "factors"),
    ),
    Mistake(
        "nothing left for K-SEQ",
        "nothing left",
        "nothing is ever rejected",
        Edit(
            """unused = (target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)
    mass = unused.sum(-1, keepdim=True)
    return torch.where(mass > 0, unused / mass, target)""",
            """left = (target - once * sum((1 - beta) ** j for j in range(num_drafts))).clamp(min=0)
    return left / left.sum(-1, keepdim=True)""",
        ),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
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
"""
