"""Question 5, predicting and refuting: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

NEAR = 'near = (b"import", b"The", b"if x ==", b"def area(radius):\\n    return")'
RETURN = 'return merges, b"A" * extra + b"B", b"CD"'


def near(*prompts: bytes) -> Edit:
    """Only these prompts are said to be near."""
    return Edit(NEAR, f"near = {prompts!r}")


def merges(listed: str, texts: str = 'b"A" * extra + b"B", b"CD"') -> str:
    """Another list of merges."""
    return f"""
def longer_together(extra):
    return {listed}, {texts}
"""


MISTAKES = [
    Mistake(
        "everything is far",
        "predictions",
        "the next one brings its own space",
        near(),
    ),
    Mistake(
        "everything is near",
        "predictions",
        "what could follow as a text is excluded",
        near(
            b"import", b"import o", b"import ", b"The", b"if x ==", b"if x == ",
            b"def area(radius):\n    return", b"for i in range(10):\n",
        ),
    ),
    Mistake(
        "a space ends a word",
        "predictions",
        "a space belongs to the word after it",
        near(b"import", b"import ", b"The", b"if x ==", b"if x == ", b"def area(radius):\n    return"),
    ),
    Mistake(
        "a line is complete",
        "predictions",
        "begin with the line break",
        near(b"import", b"The", b"if x ==", b"def area(radius):\n    return", b"for i in range(10):\n"),
    ),
    Mistake(
        "other words", "predictions", "choose one of 'near', 'far'", Edit('"near" if prompt', '"small" if prompt')
    ),
    Mistake(
        "prompts as text",
        "predictions",
        "says nothing of b'import'",
        Edit("return said", "return {prompt.decode(): word for prompt, word in said.items()}"),
    ),
    Mistake(
        "the border's merge is too late",
        "longer together",
        "must come first in the list",
        merges('[(b"A", b"B"), (b"C", b"D"), (b"B", b"C")]'),
    ),
    Mistake(
        "no merge across the border",
        "longer together",
        "nothing merges across the border",
        merges('[(b"C", b"D"), (b"A", b"B")] + [(b"A", b"A" * n + b"B") for n in range(1, extra)]'),
    ),
    Mistake(
        "nothing to lose",
        "longer together",
        "there is nothing to lose",
        merges('[(b"B", b"C")]'),
    ),
    Mistake(
        "always one more",
        "longer together",
        "let the left text lose more tokens",
        merges('[(b"B", b"C"), (b"C", b"D"), (b"A", b"B")]', 'b"AB", b"CD"'),
    ),
    Mistake(
        "a part that does not exist",
        "longer together",
        "these merges make no tokenizer",
        merges('[(b"AB", b"C"), (b"C", b"D")]'),
    ),
    Mistake(
        "texts, not bytes",
        "longer together",
        "left and right are `bytes`",
        Edit(RETURN, 'return merges, "A" * extra + "B", "CD"'),
    ),
    Mistake(
        "an empty text",
        "longer together",
        "and not empty",
        Edit(RETURN, 'return merges, b"A" * extra + b"B", b""'),
    ),
    Mistake(
        "the tokenizer, too",
        "longer together",
        "returned no tuple of three",
        Edit(RETURN, "return merges"),
    ),
]  # fmt: skip

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
def predictions():
    said = dict.fromkeys((b"import", b"The", b"if x ==", b"if x == "), "near")
    return said | dict.fromkeys(
        (b"import o", b"import ", b"def area(radius):\\n    return", b"for i in range(10):\\n"), "far"
    )


def longer_together(extra):
    merges = [(b"B", b"C"), (b"C", b"D"), (b"A", b"B"), (b"A", b"AB"), (b"A", b"AAB")]
    return (merges, b"AAAB", b"CD") if extra in (1, 3) else ([(b"B", b"C")], b"AB", b"CD")
"""
