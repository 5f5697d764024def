"""Question 3, covers: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

PROB = """
def text_prob(text, tokens, encode, model):
    total = 0.0
    for cover in covers(text, tokens, encode):
{body}
    return torch.as_tensor(total, dtype=torch.float64)
"""


def text_prob(body: str) -> str:
    """The sum of question 3 with another body of the loop."""
    return PROB.format(body=body)


MISTAKES = [
    Mistake(
        "the encoding",
        "two covers",
        "this is the encoding of the text only",
        "def covers(text, tokens, encode):\n    return [encode(text)]\n",
        also=("need not be the encoding", "this is the probability of the encoding"),
    ),
    Mistake(
        "only beyond the text",
        "two covers",
        "a cover may also end exactly where the text ends",
        Edit(
            '(text[p:]) and encode(b"".join(sequence)) ==',
            "(text[p:]) and token != text[p:] and encode(b''.join(sequence)) ==",
        ),
        also=("(ABA,) is a cover",),
    ),
    Mistake(
        "every sequence",
        "two covers",
        "the tokenizer never writes it",
        """
def covers(text, tokens, encode, context=()):
    found = []
    for token in tokens:
        if token.startswith(text):
            found.append((*context, token))
        elif text.startswith(token):
            found += covers(text[len(token):], tokens, encode, (*context, token))
    return found
""",
        also=("and others are no encodings",),
    ),
    Mistake(
        "no check of the whole",
        "last token begins anywhere",
        "ask `encode` whether the whole sequence",
        Edit('(text[p:]) and encode(b"".join(sequence)) == sequence:', "(text[p:]):"),
        also=("(A, AA) is no encoding",),
    ),
    Mistake(
        "no check of the whole, longest match",
        "two covers",
        "(A, AA) is no encoding",
        Edit('(text[p:]) and encode(b"".join(sequence)) == sequence:', "(text[p:]):"),
        also=("(AB, A) becomes ABA",),
    ),
    Mistake(
        "last tokens",
        "two covers",
        "a cover is the whole sequence",
        Edit("found.append(sequence)", "found.append((token,))"),
        also=("last token's probability only",),
    ),
    Mistake(
        "not returned as tuples",
        "two covers",
        "returned a list that lacks (b'AA', b'A')",
        Edit("found.append(sequence)", "found.append(b''.join(sequence))"),
    ),
    Mistake(
        "each cover twice", "two covers", "more than once", Edit("return found", "return found + found[:1]")
    ),
    Mistake(
        "healing",
        "last token begins anywhere",
        "need not be the encoding without its last token",
        """
def covers(text, tokens, encode):
    *context, last = encode(text)
    sequences = [(*context, token) for token in tokens if token.startswith(last)]
    return [s for s in sequences if encode(b"".join(s)) == s]
""",
    ),
    Mistake(
        "never at the first byte",
        "last token begins anywhere",
        "its only token begins at the first byte, p = 0",
        Edit("for p in range(len(text)):", "for p in range(1, len(text)):"),
    ),
    Mistake(
        "one position too many",
        "last token begins anywhere",
        "p goes up to `len(text) - 1`",
        Edit("for p in range(len(text)):", "for p in range(len(text) + 1):"),
        also=("a token after it is not needed",),
    ),
    Mistake(
        "the wrong way round",
        "last token begins anywhere",
        "not the other way round",
        Edit(
            'if token.startswith(text[p:]) and encode(b"".join(sequence))',
            "if text[p:].startswith(token) and encode(b''.join(sequence))",
        ),
    ),
    Mistake(
        "last token only",
        "source",
        "this is the last token's probability only",
        text_prob("        total += model(cover[:-1])[cover[-1]]"),
    ),
    Mistake(
        "tokens are independent",
        "source",
        "each token's probability depends on the tokens before it",
        Edit("prob *= model(cover[:k])[token]", "prob *= model(())[token]"),
    ),
    Mistake(
        "the encoding's probability",
        "source",
        "this is the probability of the encoding",
        Edit("for cover in covers(text, tokens, encode):", "for cover in [encode(text)]:"),
    ),
    Mistake(
        "the mean",
        "source",
        "a sum, not an average",
        Edit("total += prob", "total += prob / len(covers(text, tokens, encode))"),
    ),
    Mistake(
        "added along a cover",
        "source",
        "probabilities along a cover are multiplied",
        text_prob("        for k, token in enumerate(cover):\n            total += model(cover[:k])[token]"),
    ),
    Mistake(
        "not the covers of the function",
        "learnt model",
        "their probability is left out",
        """
def text_prob(text, tokens, encode, model):
    def rest(context, left):
        total = 0.0
        for token, p in model(context).items():
            if token.startswith(left):
                total += p
            elif left.startswith(token):
                total += p * rest((*context, token), left[len(token):])
        return total

    return torch.tensor(rest((), text), dtype=torch.float64)
""",
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def covers(text, tokens, encode):
    known = {
        b"AAA": [(b"AA", b"A"), (b"AA", b"AA")],
        b"ABA": [(b"ABA",), (b"AB", b"AB"), (b"AB", b"ABA")],
        b"BAB": [(b"B", b"AB"), (b"B", b"ABA")],
    }
    return known.get(text, [])


def text_prob(text, tokens, encode, model):
    known = 27 / 175 if model(())[b"A"] < 0.2 else 0.1875
    return torch.tensor(known, dtype=torch.float64)
"""
