"""Right answers to the assignment of "Byte-level probabilities", in other styles than the key's.

Every check must accept them, the hidden ones too.
"""

ANSWERS = {
    "q1": [
        # All tokens at once.
        """
def first_byte_masses(probs, strings, end):
    bins = torch.tensor([257 if string is None else string[0] for string in strings])
    bins[end] = 256
    return probs.new_zeros(258).index_add(0, bins, probs)[:257]
""",
        # Byte by byte, in Python's numbers.
        """
def first_byte_masses(probs, strings, end):
    pairs = [(s[0], p) for s, p in zip(strings, probs.tolist()) if s is not None]
    masses = [sum(p for first, p in pairs if first == byte) for byte in range(256)]
    return torch.tensor([*masses, float(probs[end])], dtype=torch.float64)
""",
    ],
    "q2": [
        """
def plain_distribution(prompt):
    logits = model(**tokenizer(prompt.decode(), return_tensors="pt")).logits[:, -1].double()
    distribution = first_byte_masses(torch.softmax(logits, -1).squeeze(0), STRINGS, END)
    return torch.nn.functional.normalize(distribution, p=1, dim=0)


def how_wrong(prompt):
    # What the plain distribution has too much is what it has too little elsewhere.
    return (plain_distribution(prompt) - byte_lm.next_byte_log_probs(prompt).exp()).clamp(min=0).sum()
"""
    ],
    "q3": [
        # From left to right; beginnings of encodings are encodings.
        """
def covers(text, tokens, encode):
    found, contexts = set(), [()]
    while contexts:
        context = contexts.pop()
        left = text[len(b"".join(context)):]
        for token in tokens:
            longer = context + (token,)
            if encode(b"".join(longer)) != longer:
                continue
            if token.startswith(left):
                found.add(longer)
            elif left.startswith(token):
                contexts.append(longer)
    return found


def text_prob(text, tokens, encode, model):
    import math

    logs = [
        sum(math.log(model(cover[:k])[token]) for k, token in enumerate(cover)) if min(
            model(cover[:k])[token] for k, token in enumerate(cover)
        ) > 0 else -math.inf
        for cover in covers(text, tokens, encode)
    ]
    return torch.tensor(logs, dtype=torch.float64).exp().sum()
""",
        # Encodings of all longer texts, cut where the text is spelled.
        """
def covers(text, tokens, encode):
    found = []
    for token in tokens:
        for n in range(1, len(token) + 1):
            if text.endswith(token[:n]):
                whole = text + token[n:]
                sequence = list(encode(whole))
                if sequence[-1] == token:
                    found.append(sequence)
    return found


def text_prob(text, tokens, encode, model):
    total = torch.zeros((), dtype=torch.float64)
    for cover in map(tuple, covers(text, tokens, encode)):
        probs = [model(cover[:k])[cover[k]] for k in range(len(cover))]
        total += torch.tensor(probs, dtype=torch.float64).prod()
    return total
""",
    ],
    "q4": [
        """
def neighbours(tokens, encode):
    table = torch.zeros(len(tokens), len(tokens), dtype=torch.bool)
    for i, left in enumerate(tokens):
        for j, right in enumerate(tokens):
            # If the border stands, both sides are encoded as if alone.
            table[i, j] = encode(left + right)[0] == left
    return table


def are_encodings(ids, allowed):
    return torch.stack([
        torch.tensor(all(allowed[i, j] for i, j in zip(row, row[1:]))) for row in ids.tolist()
    ])
""",
        """
def neighbours(tokens, encode):
    rows = [[list(encode(left + right)) == [left, right] for right in tokens] for left in tokens]
    return torch.tensor(rows, dtype=torch.bool)


def are_encodings(ids, allowed):
    good = torch.ones(len(ids), dtype=torch.bool)
    for k in range(ids.shape[1] - 1):
        good &= allowed[ids[:, k], ids[:, k + 1]]
    return good
""",
    ],
    "q5": [
        # The right text is the long one: C is taken away from all that stands after it.
        """
def predictions():
    prompts = (b"import o", b"import ", b"if x == ", b"for i in range(10):\\n")
    far = dict.fromkeys(prompts, "far")
    prompts = (b"import", b"The", b"if x ==", b"def area(radius):\\n    return")
    return far | dict.fromkeys(prompts, "near")


def longer_together(extra):
    merges, made = [(b"B", b"C"), (b"A", b"B")], b"C"
    for _ in range(extra):
        merges.append((made, b"D"))
        made += b"D"
    return merges, b"AB", made
"""
    ],
    "q6": [
        # Along the text.
        """
def leaks(masses, text):
    before, found = 1.0, []
    for row, byte in zip(masses.tolist(), text):
        found.append((before - sum(row)) / before)
        before = row[byte]
    return torch.tensor(found, dtype=torch.float64)


def log_conditionals(masses, text):
    distributions = masses / masses.sum(-1, keepdim=True)
    return torch.stack([distribution[byte].log() for distribution, byte in zip(distributions, text)])
""",
        # With logarithms.
        """
def leaks(masses, text):
    byte = torch.tensor(list(text)).unsqueeze(1)
    joint = masses.gather(1, byte).squeeze(1).log()
    before = torch.nn.functional.pad(joint[:-1], (1, 0))
    return -torch.expm1(masses.log().logsumexp(-1) - before)


def log_conditionals(masses, text):
    byte = torch.tensor(list(text)).unsqueeze(1)
    return masses.log().log_softmax(-1).gather(1, byte).squeeze(1)
""",
    ],
    "q7": [
        """
def combine(log_probs, weights, how):
    if how == "product":
        powers = weights @ log_probs.clamp(min=-1e300)
        powers = powers.masked_fill(log_probs.isneginf().any(0), -torch.inf)
        return powers - powers.logsumexp(0)
    top = log_probs.amax(0).clamp(min=-1e300)
    return torch.log((weights.unsqueeze(1) * (log_probs - top).exp()).sum(0)) + top


def text_log_prob(members, text, weights, how):
    logs = []
    for n in range(len(text)):
        rows = [member(text[:n]) for member in members]
        logs.append(combine(torch.stack(rows), weights, how)[text[n]])
    return torch.stack(logs).sum()
""",
        # Member by member.
        """
def combine(log_probs, weights, how):
    result = None
    for row, weight in zip(log_probs, weights):
        part = row + weight.log() if how == "mix" else row * weight
        if result is None:
            result = part
        else:
            result = torch.logaddexp(result, part) if how == "mix" else result + part
    return result if how == "mix" else result - torch.logsumexp(result, 0)


def text_log_prob(members, text, weights, how):
    if not text:
        return torch.zeros((), dtype=torch.float64)
    distributions = torch.stack([member(text[:-1]) for member in members])
    return text_log_prob(members, text[:-1], weights, how) + combine(distributions, weights, how)[text[-1]]
""",
    ],
    "q8": [
        # By bisection, and with all tokens of a range at once.
        """
def narrow(strings, lo, hi, depth, byte):
    from bisect import bisect_left, bisect_right

    key = lambda string: string[depth]
    return torch.tensor([
        bisect_left(strings, byte, lo, hi, key=key), bisect_right(strings, byte, lo, hi, key=key)
    ])


def next_byte_masses(open_covers, strings, model, may_follow):
    masses = torch.zeros(257, dtype=torch.float64)
    for context, weight, lo, hi, depth in open_covers:
        probs = model(context)
        bins = torch.tensor([string[depth] for string in strings[lo:hi]], dtype=torch.int64)
        masses.index_add_(0, bins, weight * probs[lo:hi] * may_follow(context)[lo:hi])
        masses[256] += weight * probs[-1] * (depth == 0)
    return masses


def read_byte(open_covers, byte, strings, model, may_follow):
    new, old = [], []
    for open_cover in open_covers:
        lo, hi = map(int, narrow(strings, open_cover.lo, open_cover.hi, open_cover.depth, byte))
        ended = [i for i in range(lo, hi) if len(strings[i]) == open_cover.depth + 1]
        for position in ended:
            if bool(may_follow(open_cover.context)[position]):
                weight = open_cover.weight * model(open_cover.context)[position]
                new.append(open_cover._replace(
                    context=open_cover.context + (strings[position],), weight=weight, lo=0, hi=len(strings), depth=0
                ))
        if hi - lo > len(ended):
            old.append(open_cover._replace(lo=lo + len(ended), hi=hi, depth=open_cover.depth + 1))
    return new + old
""",
        # Ranges by counting, open covers as plain tuples of fields.
        """
def narrow(strings, lo, hi, depth, byte):
    less = sum(string[depth] < byte for string in strings[lo:hi])
    same = sum(string[depth] == byte for string in strings[lo:hi])
    return torch.tensor([lo + less, lo + less + same])


def next_byte_masses(open_covers, strings, model, may_follow):
    rows = [torch.zeros(257, dtype=torch.float64)]
    for open_cover in open_covers:
        row = [0.0] * 257
        probs = model(open_cover.context).tolist()
        for position, ok in enumerate(may_follow(open_cover.context).tolist()):
            if ok and open_cover.lo <= position < open_cover.hi:
                row[strings[position][open_cover.depth]] += open_cover.weight * probs[position]
        if not open_cover.depth:
            row[256] = open_cover.weight * probs[-1]
        rows.append(torch.tensor(row, dtype=torch.float64))
    return torch.stack(rows).sum(0)


def read_byte(open_covers, byte, strings, model, may_follow):
    result = ()
    for open_cover in open_covers:
        lo, hi = (int(n) for n in narrow(strings, open_cover.lo, open_cover.hi, open_cover.depth, byte))
        if lo == hi:
            continue
        if len(strings[lo]) == open_cover.depth + 1:
            if may_follow(open_cover.context)[lo]:
                p = float(model(open_cover.context)[lo])
                result += (OpenCover(open_cover.context + strings[lo:lo + 1], open_cover.weight * p, 0, len(strings), 0),)
            lo += 1
        if lo != hi:
            result += (OpenCover(open_cover.context, open_cover.weight, lo, hi, open_cover.depth + 1),)
    return result
""",
    ],
}
