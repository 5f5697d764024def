"""Question 4, the optimum, and a judge: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "sorted the wrong way",
        "optimum by hand",
        "sort by falling q / p",
        Edit("argsort(-1, descending=True)", "argsort(-1)"),
    ),
    Mistake(
        "sorted by the draft",
        "optimum by hand",
        "you sort by q alone",
        Edit("(draft / target).argsort", "draft.argsort"),
    ),
    Mistake(
        "not sorted",
        "optimum by hand",
        "you add up in the order of ids",
        [Edit("target.gather(-1, order)", "target"), Edit("draft.gather(-1, order)", "draft")],
    ),
    Mistake(
        "only the draft sorted",
        "optimum by hand",
        "the target must follow the same order",
        Edit("target.gather(-1, order)", "target"),
    ),
    Mistake("one draft", "optimum by hand", "this is the optimum for one draft", Edit(" ** num_drafts", "")),
    Mistake(
        "powers before the sum",
        "optimum by hand",
        "add up first, then raise to the power k",
        Edit(
            "draft.gather(-1, order).cumsum(-1) ** num_drafts",
            "(draft.gather(-1, order) ** num_drafts).cumsum(-1)",
        ),
    ),
    Mistake(
        "any draft inside",
        "optimum by hand",
        "that at least one draft lies in H",
        Edit(
            "draft.gather(-1, order).cumsum(-1) ** num_drafts",
            "1 - (1 - draft.gather(-1, order).cumsum(-1)) ** num_drafts",
        ),
    ),
    Mistake(
        "maximum of the waste",
        "optimum by hand",
        "the smallest, not the largest",
        Edit("1 + (wanted - inside).amin(-1).clamp(max=0)", "1 - (wanted - inside).amax(-1)"),
    ),
    Mistake(
        "upper bound",
        "optimum by hand",
        "this is only an upper bound",
        """
def optimal_rate(target, draft, num_drafts):
    return torch.minimum(target, 1 - (1 - draft) ** num_drafts).sum(-1)
""",
    ),
    Mistake(
        "empty and full set left out",
        "equal distributions",
        "the empty set, or that of all tokens",
        [
            Edit("argsort(-1, descending=True)", "argsort(-1, descending=True)[:, :-1]"),
            Edit(".clamp(max=0)", ""),
        ],
    ),
    Mistake(
        "sum instead of half of it",
        "biased verifier",
        "the total variation is half of the sum",
        Edit(".sum() / 2", ".sum()"),
    ),
    Mistake(
        "differences that cancel", "biased verifier", "differences cancel without `abs`", Edit(".abs()", "")
    ),
    Mistake(
        "largest difference", "biased verifier", "the largest difference misses", Edit(".sum() / 2", ".max()")
    ),
    Mistake(
        "drafts from the target",
        "biased verifier",
        "drafts come from q",
        Edit("average += weight", "average += target[tokens].prod()"),
    ),
    Mistake(
        "drafts equally likely",
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
        also=("0 * NaN is NaN",),
    ),
    Mistake(
        "no repeated drafts",
        "biased verifier",
        "drafts are independent, so they may repeat",
        Edit(
            "itertools.product(range(len(target)), repeat=num_drafts)",
            "itertools.permutations(range(len(target)), num_drafts)",
        ),
    ),
    Mistake(
        "one order of the drafts",
        "biased verifier",
        "drafts come in every order",
        Edit(
            "itertools.product(range(len(target)), repeat=num_drafts)",
            "itertools.combinations_with_replacement(range(len(target)), num_drafts)",
        ),
    ),
    Mistake(
        "a number",
        "biased verifier",
        "returned a float, expected a tensor",
        Edit(".sum() / 2", ".sum().item() / 2"),
    ),
    Mistake(
        "average of the distances",
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
        "biased verifier",
        "`repeat=num_drafts`",
        Edit("repeat=num_drafts", "repeat=2"),
    ),
    Mistake(
        "impossible drafts asked for",
        "impossible drafts",
        "0 * NaN is NaN",
        Edit("        if weight > 0:\n            average", "        average"),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def optimal_rate(target, draft, num_drafts):
    return torch.tensor([1.0] if len(target) == 1 else [0.8275, 0.66], dtype=torch.float64)


def bias(distribution, target, draft, num_drafts):
    if len(target) == 4:
        return torch.tensor(0.12 if num_drafts == 2 else 0.156, dtype=torch.float64)
    return torch.tensor(0.2 if draft[2] == 0 else 0.0, dtype=torch.float64)
"""
