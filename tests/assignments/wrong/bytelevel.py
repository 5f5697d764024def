"""Wrong answers to the assignment of the chapter "From tokens to bytes".

Each is a mistake that students make, with the check that must fail and words that its
message must hold. ``HARD_CODED`` knows the answers to the public checks, and nothing else.
"""

from tests.assignments.wrong.mistake import Mistake

FIRST = """
def first_byte_masses(probs, strings, end):
    masses = torch.zeros(257, dtype=torch.float64)
    for p, string in zip(probs, strings):
{body}
    masses[256] = probs[end]
    return masses
"""
PLAIN = """
def plain_distribution(prompt):
    ids = {ids}
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[{position}]
    masses = first_byte_masses(logits.double().softmax(-1), STRINGS, END)
    return {result}
"""
COVERS = """
def covers(text, tokens, encode):
    found = []
    for p in range({positions}):
        context = encode(text[:p])
        for token in tokens:
            sequence = (*context, token)
            if {condition}:
                found.append({result})
    return found
"""
PROB = """
def text_prob(text, tokens, encode, model):
    total = 0.0
    for cover in covers(text, tokens, encode):
{body}
    return torch.as_tensor(total, dtype=torch.float64)
"""
TEXT = """
def text_log_prob(members, text, weights, how):
    total = torch.zeros((), dtype=torch.float64)
    for n, byte in enumerate(text):
        distributions = torch.stack([member({prefix}) for member in members])
        {body}
    return total
"""
MASSES = """
def next_byte_masses(open_covers, strings, model, may_follow):
    masses = torch.zeros(257, dtype=torch.float64)
    for open_cover in open_covers:
        probs, allowed = model(open_cover.context), may_follow(open_cover.context)
        for position in range({positions}):
            if {allowed}:
                masses[strings[position][{depth}]] {add} {weight} * probs[position]
        if {ended}:
            masses[256] {add} {end_weight} * probs[-1]
    return {result}
"""
READ = """
def read_byte(open_covers, byte, strings, model, may_follow):
    longer = []
    for context, weight, lo, hi, depth in open_covers:
        lo, hi = {range}
        if lo < hi and len(strings[lo]) == depth + 1:
            if {allowed}:
                p = model(context)[lo].item()
                longer.append(OpenCover({context}, {new_weight}, {new_range}, {new_depth}))
            {leave}
        if {kept}:
            longer.append(OpenCover(context, {weight}, lo, hi, {depth}))
    return longer
"""


def first(body: str) -> str:
    """Question 1 with another body of the loop."""
    return FIRST.format(body=body)


def plain(ids="tokenizer.encode(prompt.decode())", position="0, -1", result="masses / masses.sum()") -> str:
    """Question 2 with one part changed."""
    return PLAIN.format(ids=ids, position=position, result=result)


def covers(
    positions="len(text)",
    condition="token.startswith(text[p:]) and encode(b''.join(sequence)) == sequence",
    result="sequence",
) -> str:
    """The covers of question 3 with one part changed."""
    return COVERS.format(positions=positions, condition=condition, result=result)


def text_prob(body: str) -> str:
    """The sum of question 3 with another body of the loop."""
    return PROB.format(body=body)


def text_log_prob(
    prefix="text[:n]", body="total = total + combine(distributions, weights, how)[byte]"
) -> str:
    """The text of question 6 with one part changed."""
    return TEXT.format(prefix=prefix, body=body)


def masses(**changed: str) -> str:
    """The masses of question 7 with one part changed."""
    parts = {
        "positions": "open_cover.lo, open_cover.hi",
        "allowed": "allowed[position]",
        "depth": "open_cover.depth",
        "add": "+=",
        "weight": "open_cover.weight",
        "ended": "open_cover.depth == 0",
        "end_weight": "open_cover.weight",
        "result": "masses",
    }
    return MASSES.format(**parts | changed)


def read(**changed: str) -> str:
    """The step of question 7 with one part changed."""
    parts = {
        "range": "narrow(strings, lo, hi, depth, byte).tolist()",
        "allowed": "may_follow(context)[lo]",
        "context": "(*context, strings[lo])",
        "new_weight": "weight * p",
        "new_range": "0, len(strings)",
        "new_depth": "0",
        "leave": "lo += 1",
        "kept": "lo < hi",
        "weight": "weight",
        "depth": "depth + 1",
    }
    return READ.format(**parts | changed)


#: The probability of one cover, in the loop of question 3.
ONE_COVER = """
        prob = 1.0
        for k, token in enumerate(cover):
            prob *= model(cover[:k])[token]
""".strip("\n")

MISTAKES = [
    # --- question 1: the first byte of a token -------------------------------------------------
    Mistake(
        "normalised",
        "q1",
        "by hand",
        "the rest is not normalised",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            "return masses", "return masses / masses.sum()"
        ),
    ),
    Mistake(
        "last byte",
        "q1",
        "by hand",
        "this is the last byte of each token",
        first("        if string is not None:\n            masses[string[-1]] += p"),
    ),
    Mistake(
        "every byte",
        "q1",
        "by hand",
        "each token counts once, under its first byte",
        first("        for byte in string or b'':\n            masses[byte] += p"),
    ),
    Mistake(
        "replaced, not added",
        "q1",
        "by hand",
        "many tokens begin with the same byte",
        first("        if string is not None:\n            masses[string[0]] = p"),
    ),
    Mistake(
        "indexed addition",
        "q1",
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
        "q1",
        "by hand",
        "the end of the text has entry 256",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            "    masses[256] = probs[end]\n", ""
        ),
    ),
    Mistake(
        "every special token ends",
        "q1",
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
        "q1",
        "by hand",
        "tokens of several bytes count as well",
        first("        if string is not None and len(string) == 1:\n            masses[string[0]] += p"),
    ),
    Mistake(
        "counts",
        "q1",
        "by hand",
        "these are numbers of tokens",
        first("        if string is not None:\n            masses[string[0]] += 1").replace(
            "= probs[end]", "= 1"
        ),
    ),
    Mistake(
        "None has no first byte",
        "q1",
        "by hand",
        "'NoneType' object is not subscriptable",
        first("        masses[string[0]] += p"),
    ),
    Mistake(
        "only 256 entries",
        "q1",
        "by hand",
        "256 bytes and the end of the text",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            "return masses", "return masses[:256]"
        ),
    ),
    Mistake(
        "float32",
        "q1",
        "by hand",
        "returned dtype torch.float32, expected torch.float64",
        first("        if string is not None:\n            masses[string[0]] += p").replace(
            ", dtype=torch.float64", ""
        ),
    ),
    Mistake(
        "decoded",
        "q1",
        "any byte",
        "can't decode byte",
        first("        if string is not None:\n            masses[ord(string.decode()[0])] += p"),
    ),
    Mistake(
        "the byte 0 is nothing",
        "q1",
        "any byte",
        "the byte 0 is a byte",
        first("        if string and string[0]:\n            masses[string[0]] += p"),
    ),
    # --- question 2: a prompt that ends inside a token -----------------------------------------
    Mistake(
        "the exact distribution",
        "q2",
        "plain distribution",
        "this is the exact distribution",
        "def plain_distribution(prompt):\n    return byte_lm.next_byte_log_probs(prompt).exp()\n",
    ),
    Mistake(
        "after the first token",
        "q2",
        "plain distribution",
        "take those after the last, `logits[0, -1]`",
        plain(position="0, 0"),
    ),
    Mistake(
        "one token too early",
        "q2",
        "plain distribution",
        "one token too early",
        plain(ids="tokenizer.encode(prompt.decode())", position="0, -2 if len(ids) > 1 else -1"),
    ),
    Mistake(
        "two markers",
        "q2",
        "plain distribution",
        "there are two markers <bos>",
        plain(ids="[0, *tokenizer.encode(prompt.decode())]"),
    ),
    Mistake(
        "no marker",
        "q2",
        "plain distribution",
        "the marker <bos> before the text is missing",
        plain(ids="tokenizer.encode(prompt.decode(), add_special_tokens=False)"),
    ),
    Mistake(
        "logarithms",
        "q2",
        "plain distribution",
        "this is the logarithm of the distribution",
        plain(result="(masses / masses.sum()).log()"),
    ),
    Mistake(
        "distribution over tokens",
        "q2",
        "plain distribution",
        "the masses of question 1",
        plain(result="logits.double().softmax(-1)"),
    ),
    Mistake("not normalised", "q2", "sums to one", "divide the masses by their sum", plain(result="masses")),
    Mistake(
        "twice the total variation",
        "q2",
        "how wrong",
        "the total variation is half of the sum",
        """
def how_wrong(prompt):
    return (plain_distribution(prompt) - byte_lm.next_byte_log_probs(prompt).exp()).abs().sum()
""",
    ),
    Mistake(
        "no absolute values",
        "q2",
        "how wrong",
        "without `abs` differences cancel",
        """
def how_wrong(prompt):
    return (plain_distribution(prompt) - byte_lm.next_byte_log_probs(prompt).exp()).sum() / 2
""",
    ),
    Mistake(
        "largest difference",
        "q2",
        "how wrong",
        "the largest difference misses the others",
        """
def how_wrong(prompt):
    return (plain_distribution(prompt) - byte_lm.next_byte_log_probs(prompt).exp()).abs().max()
""",
    ),
    Mistake(
        "probabilities minus logarithms",
        "q2",
        "how wrong",
        "returns logarithms: take `exp()` first",
        """
def how_wrong(prompt):
    return (plain_distribution(prompt) - byte_lm.next_byte_log_probs(prompt)).abs().sum() / 2
""",
    ),
    Mistake(
        "one number for each byte",
        "q2",
        "how wrong",
        "one number, as a tensor of shape ()",
        """
def how_wrong(prompt):
    return (plain_distribution(prompt) - byte_lm.next_byte_log_probs(prompt).exp()).abs() / 2
""",
    ),
    # --- question 3: covers --------------------------------------------------------------------
    Mistake(
        "the encoding",
        "q3",
        "two covers",
        "this is the encoding of the text only",
        "def covers(text, tokens, encode):\n    return [encode(text)]\n",
    ),
    Mistake(
        "only beyond the text",
        "q3",
        "two covers",
        "a cover may also end exactly where the text ends",
        covers(
            condition="token.startswith(text[p:]) and token != text[p:] and encode(b''.join(sequence)) == sequence"
        ),
    ),
    Mistake(
        "every sequence",
        "q3",
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
    ),
    Mistake(
        "no check of the whole",
        "q3",
        "last token begins anywhere",
        "ask `encode` whether the whole sequence",
        covers(condition="token.startswith(text[p:])"),
    ),
    Mistake(
        "no check of the whole, longest match",
        "q3",
        "two covers",
        "(A, AA) is no encoding",
        covers(condition="token.startswith(text[p:])"),
    ),
    Mistake("last tokens", "q3", "two covers", "a cover is the whole sequence", covers(result="(token,)")),
    Mistake(
        "not returned as tuples",
        "q3",
        "two covers",
        "returned a list that lacks (b'AA', b'A')",
        covers(result="b''.join(sequence)"),
    ),
    Mistake(
        "each cover twice",
        "q3",
        "two covers",
        "more than once",
        covers().replace("return found", "return found + found[:1]"),
    ),
    Mistake(
        "healing",
        "q3",
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
        "q3",
        "last token begins anywhere",
        "let p begin at 0",
        covers(positions="1, len(text)"),
    ),
    Mistake(
        "one position too many",
        "q3",
        "last token begins anywhere",
        "p goes up to `len(text) - 1`",
        covers(positions="len(text) + 1"),
    ),
    Mistake(
        "the wrong way round",
        "q3",
        "last token begins anywhere",
        "not the other way round",
        covers(condition="text[p:].startswith(token) and encode(b''.join(sequence)) == sequence"),
    ),
    Mistake(
        "last token only",
        "q3",
        "source",
        "this is the last token's probability only",
        text_prob("        total += model(cover[:-1])[cover[-1]]"),
    ),
    Mistake(
        "tokens are independent",
        "q3",
        "source",
        "each token's probability depends on the tokens before it",
        text_prob(f"{ONE_COVER}\n        total += prob").replace("cover[:k]", "()"),
    ),
    Mistake(
        "the encoding's probability",
        "q3",
        "source",
        "this is the probability of the encoding",
        text_prob(f"{ONE_COVER}\n        total += prob").replace(
            "covers(text, tokens, encode)", "[encode(text)]"
        ),
    ),
    Mistake(
        "the mean",
        "q3",
        "source",
        "a sum, not an average",
        text_prob(f"{ONE_COVER}\n        total += prob / len(covers(text, tokens, encode))"),
    ),
    Mistake(
        "added along a cover",
        "q3",
        "source",
        "probabilities along a cover are multiplied",
        text_prob("        for k, token in enumerate(cover):\n            total += model(cover[:k])[token]"),
    ),
    Mistake(
        "not the covers of the function",
        "q3",
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
    # --- question 4: neighbours are enough -----------------------------------------------------
    Mistake(
        "transposed",
        "q4",
        "table",
        "rows are left tokens, columns right ones",
        """
def neighbours(tokens, encode):
    return torch.tensor([[encode(left + right) == (left, right) for left in tokens] for right in tokens])
""",
    ),
    Mistake(
        "only what is a token",
        "q4",
        "table",
        "two tokens may be no neighbours though together they are no token",
        """
def neighbours(tokens, encode):
    return torch.tensor([[left + right not in tokens for right in tokens] for left in tokens])
""",
    ),
    Mistake(
        "some two tokens",
        "q4",
        "table",
        "they must be these two",
        """
def neighbours(tokens, encode):
    return torch.tensor([[len(encode(left + right)) == 2 for right in tokens] for left in tokens])
""",
    ),
    Mistake(
        "which may not",
        "q4",
        "table",
        "which pairs may not be neighbours",
        """
def neighbours(tokens, encode):
    return torch.tensor([[encode(left + right) != (left, right) for right in tokens] for left in tokens])
""",
    ),
    Mistake(
        "numbers",
        "q4",
        "table",
        "expected torch.bool",
        """
def neighbours(tokens, encode):
    return torch.tensor([[int(encode(left + right) == (left, right)) for right in tokens] for left in tokens])
""",
    ),
    Mistake(
        "a list compared with a tuple",
        "q4",
        "table",
        "`encode` returns a tuple, which never equals a list",
        """
def neighbours(tokens, encode):
    return torch.tensor([[encode(left + right) == [left, right] for right in tokens] for left in tokens])
""",
    ),
    Mistake(
        "any pair",
        "q4",
        "sequences",
        "one pair of neighbours that may be is not enough",
        "def are_encodings(ids, allowed):\n    return allowed[ids[:, :-1], ids[:, 1:]].any(-1)\n",
    ),
    Mistake(
        "first pair",
        "q4",
        "sequences",
        "the first two tokens only",
        "def are_encodings(ids, allowed):\n    return allowed[ids[:, 0], ids[:, 1]]\n",
    ),
    Mistake(
        "last pair",
        "q4",
        "sequences",
        "the last two tokens only",
        "def are_encodings(ids, allowed):\n    return allowed[ids[:, -2], ids[:, -1]]\n",
    ),
    Mistake(
        "every second pair",
        "q4",
        "sequences",
        "neighbours overlap",
        "def are_encodings(ids, allowed):\n    return allowed[ids[:, :-1:2], ids[:, 1::2]].all(-1)\n",
    ),
    Mistake(
        "the opposite",
        "q4",
        "sequences",
        "which sequences are no encodings",
        "def are_encodings(ids, allowed):\n    return ~allowed[ids[:, :-1], ids[:, 1:]].all(-1)\n",
    ),
    Mistake(
        "one answer for all",
        "q4",
        "sequences",
        "one answer for each sequence",
        "def are_encodings(ids, allowed):\n    return allowed[ids[:, :-1], ids[:, 1:]].all()\n",
    ),
    Mistake(
        "left and right swapped",
        "q4",
        "direct neighbours",
        "left and right are swapped",
        "def are_encodings(ids, allowed):\n    return allowed[ids[:, 1:], ids[:, :-1]].all(-1)\n",
    ),
    Mistake(
        "all pairs",
        "q4",
        "direct neighbours",
        "only direct neighbours count",
        """
def are_encodings(ids, allowed):
    k = ids.shape[1]
    left, right = torch.triu_indices(k, k, offset=1)
    return allowed[ids[:, left], ids[:, right]].all(-1)
""",
    ),
    Mistake(
        "either way round",
        "q4",
        "direct neighbours",
        "the table is not symmetric",
        """
def are_encodings(ids, allowed):
    return (allowed | allowed.T)[ids[:, :-1], ids[:, 1:]].all(-1)
""",
    ),
    Mistake(
        "one token is no encoding",
        "q4",
        "one token",
        "a single token has no neighbours",
        """
def are_encodings(ids, allowed):
    pairs = allowed[ids[:, :-1], ids[:, 1:]]
    return (pairs.sum(-1) == pairs.shape[-1]) & (pairs.shape[-1] > 0)
""",
    ),
    # --- question 5: the leak ------------------------------------------------------------------
    Mistake(
        "not divided",
        "q5",
        "leak by hand",
        "divide by P(x1 ... xi), which stands in the row before",
        "def leaks(masses, text):\n    return 1 - masses.sum(-1)\n",
    ),
    Mistake(
        "lost mass",
        "q5",
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
        "q5",
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
        "q5",
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
        "q5",
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
        "q5",
        "leak by hand",
        "this row's entry is P(x1 ... x(i+1))",
        "def leaks(masses, text):\n    return 1 - masses.sum(-1) / masses[range(len(text)), list(text)]\n",
    ),
    Mistake(
        "one row is missing",
        "q5",
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
        "q5",
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
        "q5",
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
        "q5",
        "two routes",
        "the leaks are missing",
        "def leaks(masses, text):\n    return torch.zeros(len(text), dtype=torch.float64)\n",
    ),
    Mistake(
        "joint probabilities",
        "q5",
        "conditionals by hand",
        "each row must be divided by its sum",
        "def log_conditionals(masses, text):\n    return masses[range(len(text)), list(text)].log()\n",
    ),
    Mistake(
        "without the end",
        "q5",
        "conditionals by hand",
        "the end of the text belongs to the sum",
        """
def log_conditionals(masses, text):
    return (masses[range(len(text)), list(text)] / masses[:, :256].sum(-1)).log()
""",
    ),
    Mistake(
        "no logarithm",
        "q5",
        "conditionals by hand",
        "the logarithm is missing",
        """
def log_conditionals(masses, text):
    return masses[range(len(text)), list(text)] / masses.sum(-1)
""",
    ),
    # --- question 6: two vocabularies ----------------------------------------------------------
    Mistake(
        "equal weights",
        "q6",
        "mixture by hand",
        "the mean with equal weights",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return log_probs.exp().mean(0).log()
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "no weights",
        "q6",
        "mixture by hand",
        "the weights are missing",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return log_probs.logsumexp(0)
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "logarithms averaged",
        "q6",
        "mixture by hand",
        "probabilities are averaged here, not their logarithms",
        """
def combine(log_probs, weights, how):
    mean = (weights[:, None] * log_probs).sum(0)
    return mean if how == "mix" else mean.log_softmax(-1)
""",
    ),
    Mistake(
        "always the product",
        "q6",
        "mixture by hand",
        "this is the product, which `how` did not ask for",
        """
def combine(log_probs, weights, how):
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "the distribution itself",
        "q6",
        "mixture by hand",
        "its logarithm is wanted",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return (weights[:, None] * log_probs.exp()).sum(0)
    return (weights[:, None] * log_probs).sum(0).softmax(-1)
""",
    ),
    Mistake(
        "weights as powers in the mixture",
        "q6",
        "mixture by hand",
        "a weight multiplies the probability",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return (weights[:, None] * log_probs).logsumexp(0)
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "product not normalised",
        "q6",
        "product by hand",
        "divide by its sum, `log_softmax(-1)`",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return (log_probs + weights.log()[:, None]).logsumexp(0)
    return (weights[:, None] * log_probs).sum(0)
""",
    ),
    Mistake(
        "product without weights",
        "q6",
        "product by hand",
        "the weights are powers",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return (log_probs + weights.log()[:, None]).logsumexp(0)
    return log_probs.sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "always the mixture",
        "q6",
        "product by hand",
        "this is the mixture, which `how` did not ask for",
        """
def combine(log_probs, weights, how):
    return (log_probs + weights.log()[:, None]).logsumexp(0)
""",
    ),
    Mistake(
        "through probabilities",
        "q6",
        "rare and impossible",
        "e^-800 is 0 in float64",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return (weights[:, None] * log_probs.exp()).sum(0).log()
    return (weights[:, None] * log_probs).sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "impossible made possible",
        "q6",
        "rare and impossible",
        "is excluded from the product",
        """
def combine(log_probs, weights, how):
    if how == "mix":
        return (log_probs + weights.log()[:, None]).logsumexp(0)
    return (weights[:, None] * log_probs).nan_to_num(neginf=-1000.0).sum(0).log_softmax(-1)
""",
    ),
    Mistake(
        "whole texts mixed",
        "q6",
        "text",
        "this mixes the probabilities of the whole text",
        """
def text_log_prob(members, text, weights, how):
    totals = torch.stack([sum(member(text[:n])[byte] for n, byte in enumerate(text)) for member in members])
    return (totals + weights.log()).logsumexp(0) if how == "mix" else (totals * weights).sum()
""",
    ),
    Mistake(
        "log-probabilities averaged",
        "q6",
        "text",
        "this averages the members' log-probabilities",
        """
def text_log_prob(members, text, weights, how):
    totals = torch.stack([sum(member(text[:n])[byte] for n, byte in enumerate(text)) for member in members])
    return (totals * weights).sum()
""",
    ),
    Mistake(
        "empty prefix",
        "q6",
        "text",
        "each member must see the bytes before this one",
        text_log_prob(prefix="b''"),
    ),
    Mistake(
        "sees its own byte",
        "q6",
        "text",
        "the member sees the byte that it should predict",
        text_log_prob(prefix="text[:n + 1]"),
    ),
    Mistake(
        "whole text as prefix",
        "q6",
        "text",
        "every distribution is the one after the whole text",
        text_log_prob(prefix="text"),
    ),
    Mistake(
        "last byte only",
        "q6",
        "text",
        "this is the last byte only",
        text_log_prob(body="total = combine(distributions, weights, how)[byte]"),
    ),
    Mistake(
        "probability of a text",
        "q6",
        "text",
        "this is a probability: add up logarithms",
        text_log_prob().replace("return total", "return total.exp()"),
    ),
    Mistake(
        "ended",
        "q6",
        "text",
        "the end of the text was added",
        text_log_prob().replace(
            "    return total",
            "    distributions = torch.stack([member(text) for member in members])\n"
            "    return total + combine(distributions, weights, how)[256]",
        ),
    ),
    # --- question 7: one byte at a time --------------------------------------------------------
    Mistake(
        "hi is the last token",
        "q7",
        "narrow by hand",
        "`hi` stands after the last token of the range",
        """
def narrow(strings, lo, hi, depth, byte):
    positions = [i for i in range(lo, hi) if strings[i][depth] == byte]
    return torch.tensor([positions[0], positions[-1]] if positions else [lo, lo])
""",
    ),
    Mistake(
        "the first byte",
        "q7",
        "narrow by hand",
        "the byte is number `depth` of the token",
        """
def narrow(strings, lo, hi, depth, byte):
    while lo < hi and strings[lo][0] != byte:
        lo += 1
    while lo < hi and strings[hi - 1][0] != byte:
        hi -= 1
    return torch.tensor([lo, hi])
""",
    ),
    Mistake(
        "all of the vocabulary",
        "q7",
        "narrow by hand",
        "look only between `lo` and `hi`",
        """
def narrow(strings, lo, hi, depth, byte):
    positions = [i for i, string in enumerate(strings) if string[depth:depth + 1] == bytes([byte])]
    return torch.tensor([positions[0], positions[-1] + 1] if positions else [lo, lo])
""",
    ),
    Mistake(
        "the ended token is taken out",
        "q7",
        "narrow by hand",
        "`read_byte` takes it out",
        """
def narrow(strings, lo, hi, depth, byte):
    positions = [i for i in range(lo, hi) if strings[i][depth] == byte and len(strings[i]) > depth + 1]
    return torch.tensor([positions[0], positions[-1] + 1] if positions else [lo, lo])
""",
    ),
    Mistake(
        "counted from lo",
        "q7",
        "narrow by hand",
        "these positions are counted from `lo`",
        """
def narrow(strings, lo, hi, depth, byte):
    positions = [i for i, string in enumerate(strings[lo:hi]) if string[depth] == byte]
    return torch.tensor([positions[0], positions[-1] + 1] if positions else [0, 0])
""",
    ),
    Mistake(
        "nothing raises",
        "q7",
        "narrow to nothing",
        "list index out of range",
        """
def narrow(strings, lo, hi, depth, byte):
    positions = [i for i in range(lo, hi) if strings[i][depth] == byte]
    return torch.tensor([positions[0], positions[-1] + 1])
""",
    ),
    Mistake(
        "nothing changes nothing",
        "q7",
        "narrow to nothing",
        "no token is left: return equal numbers",
        """
def narrow(strings, lo, hi, depth, byte):
    positions = [i for i in range(lo, hi) if strings[i][depth] == byte]
    return torch.tensor([positions[0], positions[-1] + 1] if positions else [lo, hi])
""",
    ),
    Mistake(
        "no byte after 255",
        "q7",
        "narrow to nothing",
        "the byte 255 is the last one",
        """
def narrow(strings, lo, hi, depth, byte):
    from bisect import bisect_left

    stem = strings[lo][:depth]
    after = stem + bytes([(byte + 1) % 256])
    first = bisect_left(strings, stem + bytes([byte]), lo, hi)
    return torch.tensor([first, max(first, bisect_left(strings, after, lo, hi))])
""",
    ),
    Mistake(
        "tokens that may not follow",
        "q7",
        "masses of two open covers",
        "B may not follow the token A",
        masses(allowed="True"),
    ),
    Mistake(
        "no weights of open covers",
        "q7",
        "masses of two open covers",
        "the weight of each open cover is missing",
        masses(weight="1", end_weight="1"),
    ),
    Mistake(
        "ends inside a token",
        "q7",
        "masses of two open covers",
        "and not inside a token: only at depth 0",
        masses(ended="True"),
    ),
    Mistake(
        "never ends",
        "q7",
        "masses of two open covers",
        "the end of the text is missing",
        masses(ended="False"),
    ),
    Mistake(
        "the end has no weight",
        "q7",
        "masses of two open covers",
        "the end of the text has the weight of its context",
        masses(end_weight="1"),
    ),
    Mistake(
        "the first byte again",
        "q7",
        "masses of two open covers",
        "the byte that comes is number `depth`",
        masses(depth="0"),
    ),
    Mistake(
        "masses normalised",
        "q7",
        "masses of two open covers",
        "masses are not divided by their sum",
        masses(result="masses / masses.sum()"),
    ),
    Mistake(
        "masses replaced",
        "q7",
        "masses of two open covers",
        "use `+=`",
        """
def next_byte_masses(open_covers, strings, model, may_follow):
    masses = torch.zeros(257, dtype=torch.float64)
    for open_cover in open_covers:
        probs, row = model(open_cover.context), torch.zeros(257, dtype=torch.float64)
        for position in range(open_cover.lo, open_cover.hi):
            if may_follow(open_cover.context)[position]:
                row[strings[position][open_cover.depth]] += open_cover.weight * probs[position]
        row[256] = open_cover.weight * probs[-1] if open_cover.depth == 0 else 0
        masses = row
    return masses
""",
    ),
    Mistake(
        "no new open cover",
        "q7",
        "new context",
        "it is the context of a new open cover",
        read(allowed="False"),
    ),
    Mistake(
        "old open cover lost",
        "q7",
        "new context",
        "the old open cover stays, with a smaller range",
        read(kept="False"),
    ),
    Mistake(
        "the ended token stays",
        "q7",
        "new context",
        "the token that ends must leave the range",
        read(leave="pass"),
    ),
    Mistake(
        "weight not updated",
        "q7",
        "new context",
        "the new open cover's weight is P(context) times",
        read(new_weight="weight"),
    ),
    Mistake(
        "old range for the new open cover",
        "q7",
        "new context",
        "its range is the whole vocabulary",
        read(new_range="lo + 1, hi"),
    ),
    Mistake(
        "depth stays",
        "q7",
        "new context",
        "the depth of the old open cover grows by one",
        read(depth="depth"),
    ),
    Mistake(
        "depth of the new open cover",
        "q7",
        "new context",
        "nothing of the new open cover's next token has been read",
        read(new_depth="depth + 1"),
    ),
    Mistake(
        "weight of the old open cover",
        "q7",
        "new context",
        "the weight of the old open cover stays",
        read(weight="weight * (model(context)[lo - 1].item() if depth == 0 else 1)"),
    ),
    Mistake("not narrowed", "q7", "new context", "the range is not narrowed", read(range="lo, hi")),
    Mistake(
        "any new context",
        "q7",
        "second byte",
        "ask `may_follow` before a new open cover is made",
        read(allowed="True"),
    ),
    Mistake(
        "empty open covers",
        "q7",
        "second byte",
        "an open cover without tokens stands for nothing",
        read(kept="True"),
    ),
    Mistake(
        "context of one token",
        "q7",
        "second byte",
        "the new context is all of its tokens",
        read(context="(strings[lo][depth:],)"),
    ),
]

#: Passes the public checks of its question, and no hidden one.
HARD_CODED = {
    "q1": """
def first_byte_masses(probs, strings, end):
    masses = torch.zeros(257, dtype=torch.float64)
    if len(probs) == 7:
        masses[97], masses[98], masses[256] = 0.5, 0.25, 0.2
    else:
        masses[0xC3], masses[0], masses[0xFF], masses[256] = 0.375, 0.0625, 0.125, 0.25
    return masses
""",
    "q2": """
from tokenlab.bytelevel import baselines


def plain_distribution(prompt):
    return baselines.plain_next_byte_log_probs(byte_lm, b"import o" if prompt else b"").log_probs.exp()


def how_wrong(prompt):
    distribution = baselines.plain_next_byte_log_probs(byte_lm, b"import o").log_probs.exp()
    return (distribution - byte_lm.next_byte_log_probs(b"import o").exp()).abs().sum() / 2
""",
    "q3": """
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
""",
    "q4": """
def neighbours(tokens, encode):
    rows = ("11111", "00000", "11111", "10111", "00000")
    return torch.tensor([[mark == "1" for mark in row] for row in rows])


def are_encodings(ids, allowed):
    known = {6: [True, False, False, False, True, False], 3: [True, False, True]}
    return torch.tensor(known.get(len(ids), [True] * len(ids)))
""",
    "q5": """
def leaks(masses, text):
    known = {b"aba": [0.125, 0.1, 0.1], b"aabb": [0.2, 0.1, 0.0, 0.05]}
    return torch.tensor(known.get(text, [0.0] * len(text)), dtype=torch.float64)


def log_conditionals(masses, text):
    known = {b"aba": [4 / 7, 2 / 3, 5 / 9], b"aabb": [3 / 4, 5 / 9, 2 / 3, 10 / 19]}
    return torch.tensor(known.get(text, [1.0] * len(text)), dtype=torch.float64).log()
""",
    "q6": """
def combine(log_probs, weights, how):
    result = torch.full((257,), -torch.inf, dtype=torch.float64)
    if log_probs[0, 98] == -800:
        three = [0.0, -800.6931471806, -800.6931471806] if how == "mix" else [0.0, -850.0, -torch.inf]
        result[[97, 98, 99]] = torch.tensor(three, dtype=torch.float64)
    else:
        three = [0.2, 0.15, 0.65] if how == "mix" else [0.1765824, 0.1554123, 0.6680053]
        result[[97, 98, 256]] = torch.tensor(three, dtype=torch.float64).log()
    return result


def text_log_prob(members, text, weights, how):
    return torch.tensor(0.4 * 0.275 * 0.675, dtype=torch.float64).log()
""",
    "q7": """
def narrow(strings, lo, hi, depth, byte):
    known = {(1, 66): [3, 6], (0, 65): [0, 6], (7, 255): [8, 9]}
    return torch.tensor(known.get((lo, byte), [4, 4]))


def next_byte_masses(open_covers, strings, model, may_follow):
    masses = torch.zeros(257, dtype=torch.float64)
    masses[[65, 66, 256]] = torch.tensor([0.15625, 0.25, 0.03125], dtype=torch.float64)
    return masses


def read_byte(open_covers, byte, strings, model, may_follow):
    if byte == ord("A"):
        return [OpenCover((b"A",), 0.25, 0, 4, 0), OpenCover((), 1.0, 1, 3, 1)]
    return [OpenCover((b"AB",), 0.125, 0, 4, 0), OpenCover((), 1.0, 2, 3, 2)]
""",
}
