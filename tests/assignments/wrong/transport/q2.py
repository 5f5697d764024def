"""Question 2, several drafts: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "independent repetition, its rate",
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
        "naive by hand",
        "num_drafts - 1 are left to be found",
        Edit("(num_drafts - 1)", "num_drafts"),
    ),
    Mistake(
        "other drafts forgotten",
        "naive by hand",
        "the residual token may be one of the other drafts",
        Edit(" + above * found", ""),
    ),
    Mistake(
        "residual normalised in a sum of masses",
        "naive by hand",
        "is drawn only after a rejection",
        Edit("(target - draft).clamp(min=0)", "residual(target, draft)"),
    ),
    Mistake(
        "all drafts instead of any",
        "naive by hand",
        "at least one of them",
        Edit("1 - (1 - draft) ** (num_drafts - 1)", "draft ** (num_drafts - 1)"),
    ),
    Mistake(
        "none of the drafts instead of any",
        "naive by hand",
        "that none of them is the token",
        Edit("1 - (1 - draft)", "(1 - draft)"),
    ),
    Mistake(
        "probabilities of drafts added up",
        "naive by hand",
        "drafts can repeat",
        Edit("1 - (1 - draft) ** (num_drafts - 1)", "draft * (num_drafts - 1)"),
    ),
    Mistake(
        "one number for all rows",
        "naive by hand",
        "one number for each row",
        Edit("above * found).sum(-1)", "above * found).sum()"),
    ),
    Mistake(
        "independent repetition",
        "recursive by hand",
        "every draft is tested against the first target",
        Edit(
            """reached = reached * (1 - accept)
        target = residual(target, draft)
    return distribution + reached * target""",
            """reached = reached * (1 - accept)
    return distribution + reached * residual(target, draft)""",
        ),
        also=("the rule is biased",),
    ),
    Mistake(
        "independent repetition, the target at the end",
        "lossless",
        "the average over all drafts is not the target",
        Edit(
            """reached = reached * (1 - accept)
        target = residual(target, draft)""",
            "reached = reached * (1 - accept)",
        ),
        also=("tested against the first target",),
    ),
    Mistake(
        "residual not normalised as target",
        "recursive by hand",
        "the residual is not normalised",
        Edit("target = residual(target, draft)", "target = (target - draft).clamp(min=0)"),
        also=("the rule is biased",),
    ),
    Mistake(
        "target drawn at the end",
        "recursive by hand",
        "the last draw is from the first target",
        [
            Edit(
                "distribution, reached = torch.zeros_like(target), 1.0",
                "distribution, reached, left = torch.zeros_like(target), 1.0, target",
            ),
            Edit("accept = accept_probs(target, draft)[token]", "accept = accept_probs(left, draft)[token]"),
            Edit("target = residual(target, draft)", "left = residual(left, draft)"),
        ],
        also=("the rule is biased",),
    ),
    Mistake(
        "one update too few",
        "recursive by hand",
        "after the last rejection the target is updated once more",
        [
            Edit("        target = residual(target, draft)\n", ""),
            Edit(
                "for token in tokens:",
                """for number, token in enumerate(tokens):
        if number:
            target = residual(target, draft)""",
            ),
        ],
        unsaid="comes twice",
    ),
    Mistake(
        "draft loses the token",
        "recursive by hand",
        "these drafts may repeat",
        Edit(
            "target = residual(target, draft)",
            """target = residual(target, draft)
        draft = draft.clone()
        draft[token] = 0
        draft = draft / draft.sum()""",
        ),
        unsaid="comes twice",
    ),
    Mistake(
        "every draft is reached",
        "recursive by hand",
        "a later draft is tested only after a rejection",
        Edit("distribution[token] += reached * accept", "distribution[token] += accept"),
        also=("the rule is biased",),
    ),
    Mistake(
        "no draw at the end",
        "recursive by hand",
        "when every draft is rejected",
        Edit("return distribution + reached * target", "return distribution"),
        also=("the rule is biased",),
    ),
    Mistake(
        "repeated drafts dropped",
        "repeated draft",
        "a draft that comes twice is tested twice",
        Edit("for token in tokens:", "for token in dict.fromkeys(tokens.tolist()):"),
    ),
    Mistake(
        "drafts sorted",
        "lossless",
        "the average over all drafts is not the target",
        Edit(
            "for token in tokens:", "for token in sorted(tokens.tolist(), key=lambda token: -target[token]):"
        ),
        also=("in the order in which they come",),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def naive_rate(target, draft, num_drafts):
    return torch.tensor([0.808, 0.68] if num_drafts == 3 else [0.7, 0.5], dtype=torch.float64)


def recursive_distribution(target, draft, tokens):
    if target[1] == 0.4:
        return torch.tensor([18 / 35, 2 / 7, 0.2] if tokens[1] == 1 else [0.8, 0.0, 0.2], dtype=torch.float64)
    return target
"""
