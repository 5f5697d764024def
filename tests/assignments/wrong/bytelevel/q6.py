"""Question 6, the leak: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "not divided",
        "leak by hand",
        "divide by P(x1 ... xi), which stands in the row before",
        Edit(" / before", ""),
    ),
    Mistake(
        "lost mass",
        "leak by hand",
        "the leak is a share",
        Edit("1 - masses.sum(-1) / before", "before - masses.sum(-1)"),
    ),
    Mistake(
        "what is left",
        "leak by hand",
        "this is what is left",
        Edit("1 - masses.sum(-1) / before", "masses.sum(-1) / before"),
    ),
    Mistake(
        "the end leaks",
        "leak by hand",
        "the end of the text, entry 256, does not leak",
        Edit("1 - masses.sum(-1) / before", "1 - masses[:, :256].sum(-1) / before"),
    ),
    Mistake(
        "the sum of the row before",
        "leak by hand",
        "entry of the byte that was read, not by its sum",
        Edit("here[:-1]])", "masses[:-1].sum(-1)])"),
    ),
    Mistake(
        "one row too late",
        "leak by hand",
        "this row's entry is P(x1 ... x(i+1))",
        Edit(" / before", " / here"),
    ),
    Mistake(
        "one row is missing",
        "leak by hand",
        "one leak for each row",
        Edit("1 - masses.sum(-1) / before", "1 - masses[1:].sum(-1) / here[:-1]"),
        also=("one for each byte",),
    ),
    Mistake(
        "leak in the conditionals",
        "conditionals by hand",
        "from which the leak is missing",
        Edit("here / masses.sum(-1)", "here / torch.cat([torch.ones_like(here[:1]), here[:-1]])"),
        also=("holds the leaks already",),
    ),
    Mistake(
        "leak in the conditionals, second route",
        "two routes",
        "log_conditionals holds the leaks already",
        Edit("here / masses.sum(-1)", "here / torch.cat([torch.ones_like(here[:1]), here[:-1]])"),
        also=("the leak is missing",),
    ),
    Mistake(
        "no leak at all",
        "two routes",
        "the leaks are missing",
        Edit("1 - masses.sum(-1) / before", "torch.zeros_like(before)"),
        also=("what is lacking is the leak",),
    ),
    Mistake(
        "joint probabilities",
        "conditionals by hand",
        "each row must be divided by its sum",
        Edit("(here / masses.sum(-1)).log()", "here.log()"),
    ),
    Mistake(
        "without the end",
        "conditionals by hand",
        "the end of the text belongs to the sum",
        Edit("here / masses.sum(-1)", "here / masses[:, :256].sum(-1)"),
    ),
    Mistake(
        "no logarithm",
        "conditionals by hand",
        "the logarithm is missing",
        Edit("(here / masses.sum(-1)).log()", "here / masses.sum(-1)"),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def leaks(masses, text):
    known = {b"aba": [0.125, 0.1, 0.1], b"aabb": [0.2, 0.1, 0.0, 0.05]}
    return torch.tensor(known.get(text, [0.0] * len(text)), dtype=torch.float64)


def log_conditionals(masses, text):
    known = {b"aba": [4 / 7, 2 / 3, 5 / 9], b"aabb": [3 / 4, 5 / 9, 2 / 3, 10 / 19]}
    return torch.tensor(known.get(text, [1.0] * len(text)), dtype=torch.float64).log()
"""
