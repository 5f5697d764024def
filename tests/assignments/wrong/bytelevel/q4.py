"""Question 4, neighbours are enough: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "transposed",
        "table",
        "rows are left tokens, columns right ones",
        Edit(
            "([[encode(left + right) == (left, right) for right in tokens] for left in tokens])",
            "([[encode(left + right) == (left, right) for left in tokens] for right in tokens])",
        ),
    ),
    Mistake(
        "only what is a token",
        "table",
        "two tokens may be no neighbours though together they are no token",
        Edit(
            "return torch.tensor([[encode(left + right) == (left, right) for right in tokens] for left in tokens])",
            "return torch.tensor([[left + right not in tokens for right in tokens] for left in tokens])",
        ),
    ),
    Mistake(
        "some two tokens",
        "table",
        "they must be these two",
        Edit(
            "return torch.tensor([[encode(left + right) == (left, right) for right in tokens] for left in tokens])",
            "return torch.tensor([[len(encode(left + right)) == 2 for right in tokens] for left in tokens])",
        ),
    ),
    Mistake(
        "which may not", "table", "which pairs may not be neighbours", Edit("right) == (", "right) != (")
    ),
    Mistake(
        "numbers",
        "table",
        "expected torch.bool",
        Edit(
            "return torch.tensor([[encode(left + right) == (left, right) for right in tokens] for left in tokens])",
            "return torch.tensor([[int(encode(left + right) == (left, right)) for right in tokens] for left in tokens])",
        ),
    ),
    Mistake(
        "a list compared with a tuple",
        "table",
        "`encode` returns a tuple, which never equals a list",
        Edit(
            "[encode(left + right) == (left, right) for right in tokens] for left",
            "[encode(left + right) == [left, right] for right in tokens] for left",
        ),
    ),
    Mistake(
        "any pair",
        "sequences",
        "one pair of neighbours that may be is not enough",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
            "return allowed[ids[:, :-1], ids[:, 1:]].any(-1)",
        ),
    ),
    Mistake(
        "first pair",
        "sequences",
        "the first two tokens only",
        Edit("return allowed[ids[:, :-1], ids[:, 1:]].all(-1)", "return allowed[ids[:, 0], ids[:, 1]]"),
    ),
    Mistake(
        "last pair",
        "sequences",
        "the last two tokens only",
        Edit("return allowed[ids[:, :-1], ids[:, 1:]].all(-1)", "return allowed[ids[:, -2], ids[:, -1]]"),
    ),
    Mistake(
        "every second pair",
        "sequences",
        "neighbours overlap",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
            "return allowed[ids[:, :-1:2], ids[:, 1::2]].all(-1)",
        ),
    ),
    Mistake(
        "the opposite",
        "sequences",
        "which sequences are no encodings",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
            "return ~allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
        ),
    ),
    Mistake(
        "one answer for all",
        "sequences",
        "one answer for each sequence",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)", "return allowed[ids[:, :-1], ids[:, 1:]].all()"
        ),
    ),
    Mistake(
        "left and right swapped",
        "direct neighbours",
        "left and right are swapped",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
            "return allowed[ids[:, 1:], ids[:, :-1]].all(-1)",
        ),
    ),
    Mistake(
        "all pairs",
        "direct neighbours",
        "only direct neighbours count",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
            """k = ids.shape[1]
    left, right = torch.triu_indices(k, k, offset=1)
    return allowed[ids[:, left], ids[:, right]].all(-1)""",
        ),
    ),
    Mistake(
        "either way round",
        "direct neighbours",
        "the table is not symmetric",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
            "return (allowed | allowed.T)[ids[:, :-1], ids[:, 1:]].all(-1)",
        ),
    ),
    Mistake(
        "one token is no encoding",
        "one token",
        "a single token has no neighbours",
        Edit(
            "return allowed[ids[:, :-1], ids[:, 1:]].all(-1)",
            """pairs = allowed[ids[:, :-1], ids[:, 1:]]
    return (pairs.sum(-1) == pairs.shape[-1]) & (pairs.shape[-1] > 0)""",
        ),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def neighbours(tokens, encode):
    rows = ("11111", "00000", "11111", "10111", "00000")
    return torch.tensor([[mark == "1" for mark in row] for row in rows])


def are_encodings(ids, allowed):
    known = {6: [True, False, False, False, True, False], 4: [True, False, True, False]}
    return torch.tensor(known.get(len(ids), [True] * len(ids)))
"""
