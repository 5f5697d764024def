"""Question 1, the first byte of a token: mistakes that students make."""

from tests.assignments.wrong.mistake import Mistake

FIRST = """
def first_byte_masses(probs, strings, end):
    masses = torch.zeros(257, dtype=torch.float64)
    for p, string in zip(probs, strings):
{body}
    masses[256] = probs[end]
    return masses
"""


def first(body: str) -> str:
    """Question 1 with another body of the loop."""
    return FIRST.format(body=body)


MISTAKES = [
    Mistake(
        "normalised",
        "by hand",
        "the rest is not normalised",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            "return masses", "return masses / masses.sum()"
        ),
    ),
    Mistake(
        "last byte",
        "by hand",
        "this is the last byte of each token",
        first("        if string is not None:\n            masses[string[-1]] += p"),
    ),
    Mistake(
        "every byte",
        "by hand",
        "each token counts once, under its first byte",
        first("        for byte in string or b'':\n            masses[byte] += p"),
    ),
    Mistake(
        "replaced, not added",
        "by hand",
        "many tokens begin with the same byte",
        first("        if string is not None:\n            masses[string[0]] = p"),
    ),
    Mistake(
        "indexed addition",
        "by hand",
        "an index on the left of `=` or `+=` that holds the same byte twice",
        """
def first_byte_masses(probs, strings, end):
    masses = torch.zeros(257, dtype=torch.float64)
    some = [i for i, string in enumerate(strings) if string is not None]
    masses[torch.tensor([strings[i][0] for i in some])] += probs[some]
    masses[256] = probs[end]
    return masses
""",
    ),
    Mistake(
        "no end",
        "by hand",
        "the end of the text has entry 256",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            "    masses[256] = probs[end]\n", ""
        ),
    ),
    Mistake(
        "every special token ends",
        "by hand",
        "only the token `end` ends the text",
        """
def first_byte_masses(probs, strings, end):
    masses = torch.zeros(257, dtype=torch.float64)
    for p, string in zip(probs, strings):
        masses[256 if string is None else string[0]] += p
    return masses
""",
    ),
    Mistake(
        "single bytes only",
        "by hand",
        "tokens of several bytes count as well",
        first("        if string is not None and len(string) == 1:\n            masses[string[0]] += p"),
    ),
    Mistake(
        "counts",
        "by hand",
        "these are numbers of tokens",
        first("        if string is not None:\n            masses[string[0]] += 1").replace(
            "= probs[end]", "= 1"
        ),
    ),
    Mistake(
        "None has no first byte",
        "by hand",
        "'NoneType' object is not subscriptable",
        first("        masses[string[0]] += p"),
    ),
    Mistake(
        "only 256 entries",
        "by hand",
        "256 bytes and the end of the text",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            "return masses", "return masses[:256]"
        ),
    ),
    Mistake(
        "float32",
        "by hand",
        "returned dtype torch.float32, expected torch.float64",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            ", dtype=torch.float64", ""
        ),
    ),
    Mistake(
        "decoded",
        "any byte",
        "can't decode byte",
        first("        if string is not None:\n            masses[ord(string.decode()[0])] += p"),
    ),
    Mistake(
        "the byte 0 is nothing",
        "any byte",
        "the byte 0 is a byte",
        first("        if string and string[0]:\n            masses[string[0]] += p"),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def first_byte_masses(probs, strings, end):
    masses = torch.zeros(257, dtype=torch.float64)
    if len(probs) == 7:
        masses[97], masses[98], masses[256] = 0.5, 0.25, 0.2
    else:
        masses[0xC3], masses[0], masses[0xFF], masses[256] = 0.375, 0.0625, 0.125, 0.25
    return masses
"""
