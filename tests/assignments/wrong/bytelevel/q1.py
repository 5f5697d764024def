"""Question 1, the first byte of a token: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "normalised", "by hand", "the rest is not normalised", Edit("return sums", "return sums / sums.sum()")
    ),
    Mistake("last byte", "by hand", "this is the last byte of each token", Edit("string[0]", "string[-1]")),
    Mistake(
        "every byte",
        "by hand",
        "each token counts once, under its first byte",
        Edit(
            "        if string is not None:\n            sums[string[0]] += p",
            "        for byte in string or b'':\n            sums[byte] += p",
        ),
    ),
    Mistake("replaced, not added", "by hand", "many tokens begin with the same byte", Edit("+= p", "= p")),
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
        "no end", "by hand", "the end of the text has entry 256", Edit("    sums[256] = probs[end]\n", "")
    ),
    Mistake(
        "every special token ends",
        "by hand",
        "only the token `end` ends the text",
        [
            Edit(
                "        if string is not None:\n            sums[string[0]] += p",
                "        sums[256 if string is None else string[0]] += p",
            ),
            Edit("    sums[256] = probs[end]\n", ""),
        ],
    ),
    Mistake(
        "single bytes only",
        "by hand",
        "tokens of several bytes count as well",
        Edit("string is not None", "string is not None and len(string) == 1"),
    ),
    Mistake(
        "counts",
        "by hand",
        "these are numbers of tokens",
        [Edit("+= p", "+= 1"), Edit("= probs[end]", "= 1")],
    ),
    Mistake(
        "None has no first byte",
        "by hand",
        "'NoneType' object is not subscriptable",
        Edit(
            "        if string is not None:\n            sums[string[0]] += p", "        sums[string[0]] += p"
        ),
    ),
    Mistake(
        "only 256 entries",
        "by hand",
        "256 bytes and the end of the text",
        Edit("return sums", "return sums[:256]"),
    ),
    Mistake(
        "float32",
        "by hand",
        "returned dtype torch.float32, expected torch.float64",
        Edit("probs.new_zeros(257)", "torch.zeros(257)"),
    ),
    Mistake("decoded", "any byte", "can't decode byte", Edit("string[0]", "ord(string.decode()[0])")),
    Mistake(
        "the byte 0 is nothing",
        "any byte",
        "the byte 0 is a byte",
        Edit("string is not None", "string and string[0]"),
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
