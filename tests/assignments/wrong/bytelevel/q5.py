"""Question 5, the leak: mistakes that students make."""

from tests.assignments.wrong.mistake import Mistake

MISTAKES = [
    Mistake(
        "not divided",
        "leak by hand",
        "divide by P(x1 ... xi), which stands in the row before",
        "def leaks(masses, text):\n    return 1 - masses.sum(-1)\n",
    ),
    Mistake(
        "lost mass",
        "leak by hand",
        "the leak is a share",
        """
def leaks(masses, text):
    here = masses[range(len(text)), list(text)]
    before = torch.cat([torch.ones_like(here[:1]), here[:-1]])
    return before - masses.sum(-1)
""",
    ),
    Mistake(
        "what is left",
        "leak by hand",
        "this is what is left",
        """
def leaks(masses, text):
    here = masses[range(len(text)), list(text)]
    return masses.sum(-1) / torch.cat([torch.ones_like(here[:1]), here[:-1]])
""",
    ),
    Mistake(
        "the end leaks",
        "leak by hand",
        "the end of the text, entry 256, does not leak",
        """
def leaks(masses, text):
    here = masses[range(len(text)), list(text)]
    return 1 - masses[:, :256].sum(-1) / torch.cat([torch.ones_like(here[:1]), here[:-1]])
""",
    ),
    Mistake(
        "the sum of the row before",
        "leak by hand",
        "entry of the byte that was read, not by its sum",
        """
def leaks(masses, text):
    sums = masses.sum(-1)
    return 1 - sums / torch.cat([torch.ones_like(sums[:1]), sums[:-1]])
""",
    ),
    Mistake(
        "one row too late",
        "leak by hand",
        "this row's entry is P(x1 ... x(i+1))",
        "def leaks(masses, text):\n    return 1 - masses.sum(-1) / masses[range(len(text)), list(text)]\n",
    ),
    Mistake(
        "one row is missing",
        "leak by hand",
        "one leak for each row",
        """
def leaks(masses, text):
    here = masses[range(len(text)), list(text)]
    return 1 - masses[1:].sum(-1) / here[:-1]
""",
    ),
    Mistake(
        "leak in the conditionals",
        "conditionals by hand",
        "from which the leak is missing",
        """
def log_conditionals(masses, text):
    here = masses[range(len(text)), list(text)]
    return (here / torch.cat([torch.ones_like(here[:1]), here[:-1]])).log()
""",
    ),
    Mistake(
        "leak in the conditionals, second route",
        "two routes",
        "log_conditionals holds the leaks already",
        """
def log_conditionals(masses, text):
    here = masses[range(len(text)), list(text)]
    return (here / torch.cat([torch.ones_like(here[:1]), here[:-1]])).log()
""",
    ),
    Mistake(
        "no leak at all",
        "two routes",
        "the leaks are missing",
        "def leaks(masses, text):\n    return torch.zeros(len(text), dtype=torch.float64)\n",
    ),
    Mistake(
        "joint probabilities",
        "conditionals by hand",
        "each row must be divided by its sum",
        "def log_conditionals(masses, text):\n    return masses[range(len(text)), list(text)].log()\n",
    ),
    Mistake(
        "without the end",
        "conditionals by hand",
        "the end of the text belongs to the sum",
        """
def log_conditionals(masses, text):
    return (masses[range(len(text)), list(text)] / masses[:, :256].sum(-1)).log()
""",
    ),
    Mistake(
        "no logarithm",
        "conditionals by hand",
        "the logarithm is missing",
        """
def log_conditionals(masses, text):
    return masses[range(len(text)), list(text)] / masses.sum(-1)
""",
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
