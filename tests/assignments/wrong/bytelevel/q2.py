"""Question 2, a prompt that ends inside a token: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

MISTAKES = [
    Mistake(
        "the exact distribution",
        "plain distribution",
        "this is the exact distribution",
        "def plain_distribution(prompt):\n    return byte_lm.next_byte_log_probs(prompt).exp()\n",
    ),
    Mistake(
        "after the first token",
        "plain distribution",
        "take those after the last, `logits[0, -1]`",
        [
            Edit(
                "ids = torch.tensor([tokenizer.encode(prompt.decode())])",
                "ids = tokenizer.encode(prompt.decode())",
            ),
            Edit("logits = model(ids).logits[0, -1]", "logits = model(torch.tensor([ids])).logits[0, 0]"),
        ],
    ),
    Mistake(
        "one token too early",
        "plain distribution",
        "one token too early",
        [
            Edit(
                "ids = torch.tensor([tokenizer.encode(prompt.decode())])",
                "ids = tokenizer.encode(prompt.decode())",
            ),
            Edit(
                "logits = model(ids).logits[0, -1]",
                "logits = model(torch.tensor([ids])).logits[0, -2 if len(ids) > 1 else -1]",
            ),
        ],
    ),
    Mistake(
        "two markers",
        "plain distribution",
        "there are two markers <bos>",
        [
            Edit(
                "ids = torch.tensor([tokenizer.encode(prompt.decode())])",
                "ids = [0, *tokenizer.encode(prompt.decode())]",
            ),
            Edit("logits = model(ids).logits[0, -1]", "logits = model(torch.tensor([ids])).logits[0, -1]"),
        ],
    ),
    Mistake(
        "no marker",
        "plain distribution",
        "the marker <bos> before the text is missing",
        [
            Edit(
                "ids = torch.tensor([tokenizer.encode(prompt.decode())])",
                "ids = tokenizer.encode(prompt.decode(), add_special_tokens=False)",
            ),
            Edit("logits = model(ids).logits[0, -1]", "logits = model(torch.tensor([ids])).logits[0, -1]"),
        ],
    ),
    Mistake(
        "logarithms",
        "plain distribution",
        "this is the logarithm of the distribution",
        [
            Edit(
                "ids = torch.tensor([tokenizer.encode(prompt.decode())])",
                "ids = tokenizer.encode(prompt.decode())",
            ),
            Edit("logits = model(ids).logits[0, -1]", "logits = model(torch.tensor([ids])).logits[0, -1]"),
            Edit("return masses / masses.sum()", "return (masses / masses.sum()).log()"),
        ],
    ),
    Mistake(
        "distribution over tokens",
        "plain distribution",
        "the masses of question 1",
        [
            Edit(
                "ids = torch.tensor([tokenizer.encode(prompt.decode())])",
                "ids = tokenizer.encode(prompt.decode())",
            ),
            Edit("logits = model(ids).logits[0, -1]", "logits = model(torch.tensor([ids])).logits[0, -1]"),
            Edit("return masses / masses.sum()", "return logits.double().softmax(-1)"),
        ],
    ),
    Mistake(
        "not normalised",
        "sums to one",
        "divide the masses by their sum",
        [
            Edit(
                "ids = torch.tensor([tokenizer.encode(prompt.decode())])",
                "ids = tokenizer.encode(prompt.decode())",
            ),
            Edit("logits = model(ids).logits[0, -1]", "logits = model(torch.tensor([ids])).logits[0, -1]"),
            Edit("return masses / masses.sum()", "return masses"),
        ],
    ),
    Mistake(
        "twice the total variation",
        "how wrong",
        "the total variation is half of the sum",
        Edit(".sum() / 2", ".sum()"),
    ),
    Mistake("no absolute values", "how wrong", "without `abs` differences cancel", Edit(".abs()", "")),
    Mistake(
        "largest difference",
        "how wrong",
        "the largest difference misses the others",
        Edit(".sum() / 2", ".max()"),
    ),
    Mistake(
        "probabilities minus logarithms",
        "how wrong",
        "returns logarithms: take `exp()` first",
        Edit("log_probs(prompt).exp()", "log_probs(prompt)"),
    ),
    Mistake(
        "one number for each byte",
        "how wrong",
        "one number, as a tensor of shape ()",
        Edit(".abs().sum() / 2", ".abs() / 2"),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
from tokenlab.bytelevel import baselines


def plain_distribution(prompt):
    return baselines.plain_next_byte_log_probs(byte_lm, b"import o" if prompt else b"").log_probs.exp()


def how_wrong(prompt):
    distribution = baselines.plain_next_byte_log_probs(byte_lm, b"import o").log_probs.exp()
    return (distribution - byte_lm.next_byte_log_probs(b"import o").exp()).abs().sum() / 2
"""
