"""Question 8, one byte at a time: mistakes that students make."""

from tests.assignments.wrong.mistake import Edit, Mistake

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


def masses(**changed: str) -> str:
    """The masses of question 8 with one part changed."""
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
    """The step of question 8 with one part changed."""
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


MISTAKES = [
    Mistake(
        "hi is the last token",
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
        "narrow by hand",
        "the byte is number `depth` of the token",
        [
            Edit(
                "while lo < hi and strings[lo][depth] != byte:", "while lo < hi and strings[lo][0] != byte:"
            ),
            Edit(
                "while lo < hi and strings[hi - 1][depth] != byte:",
                "while lo < hi and strings[hi - 1][0] != byte:",
            ),
        ],
    ),
    Mistake(
        "all of the vocabulary",
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
        "narrow by hand",
        "`read_byte` takes it out",
        """
def narrow(strings, lo, hi, depth, byte):
    positions = [i for i in range(lo, hi) if strings[i][depth] == byte and len(strings[i]) > depth + 1]
    return torch.tensor([positions[0], positions[-1] + 1] if positions else [lo, lo])
""",
        also=("it is the context of a new open cover",),
    ),
    Mistake(
        "counted from lo",
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
        "narrow to nothing",
        "255 is the last byte",
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
        "masses of two open covers",
        "B may not follow the token A",
        masses(allowed="True"),
    ),
    Mistake(
        "no weights of open covers",
        "masses of two open covers",
        "the weight of each open cover is missing",
        masses(weight="1", end_weight="1"),
    ),
    Mistake(
        "ends inside a token",
        "masses of two open covers",
        "and not inside a token: only at depth 0",
        masses(ended="True"),
    ),
    Mistake(
        "never ends", "masses of two open covers", "the end of the text is missing", masses(ended="False")
    ),
    Mistake(
        "the end has no weight",
        "masses of two open covers",
        "the end of the text has the weight of its context",
        masses(end_weight="1"),
    ),
    Mistake(
        "the first byte again",
        "masses of two open covers",
        "the byte that comes is number `depth`",
        masses(depth="0"),
    ),
    Mistake(
        "masses normalised",
        "masses of two open covers",
        "masses are not divided by their sum",
        masses(result="masses / masses.sum()"),
    ),
    Mistake(
        "masses replaced",
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
        "new context",
        "it is the context of a new open cover",
        Edit(
            """if may_follow(context)[lo]:
                prob = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * prob, 0, len(strings), 0))""",
            """if False:
                p = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * p, 0, len(strings), 0))""",
        ),
    ),
    Mistake(
        "old open cover lost",
        "new context",
        "the old open cover stays, with a smaller range",
        read(kept="False"),
    ),
    Mistake(
        "the ended token stays",
        "new context",
        "the token that ends must leave the range",
        Edit(
            """prob = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * prob, 0, len(strings), 0))
            lo += 1""",
            """p = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * p, 0, len(strings), 0))
            pass""",
        ),
    ),
    Mistake(
        "weight not updated",
        "new context",
        "the new open cover's weight is P(context) times",
        Edit(
            """prob = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * prob, 0, len(strings), 0))""",
            """p = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight, 0, len(strings), 0))""",
        ),
    ),
    Mistake(
        "old range for the new open cover",
        "new context",
        "its range is the whole vocabulary",
        Edit(
            """prob = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * prob, 0, len(strings), 0))""",
            """p = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * p, lo + 1, hi, 0))""",
        ),
    ),
    Mistake(
        "depth stays", "new context", "the depth of the old open cover grows by one", read(depth="depth")
    ),
    Mistake(
        "depth of the new open cover",
        "new context",
        "nothing of the new open cover's next token has been read",
        Edit(
            """prob = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * prob, 0, len(strings), 0))""",
            """p = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * p, 0, len(strings), depth + 1))""",
        ),
    ),
    Mistake(
        "weight of the old open cover",
        "new context",
        "the weight of the old open cover stays",
        read(weight="weight * (model(context)[lo - 1].item() if depth == 0 else 1)"),
    ),
    Mistake("not narrowed", "new context", "the range is not narrowed", read(range="lo, hi")),
    Mistake(
        "any new context",
        "second byte",
        "ask `may_follow` before a new open cover is made",
        Edit(
            """if may_follow(context)[lo]:
                prob = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * prob, 0, len(strings), 0))""",
            """if True:
                p = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * p, 0, len(strings), 0))""",
        ),
    ),
    Mistake(
        "empty open covers",
        "second byte",
        "an open cover without tokens stands for nothing",
        read(kept="True"),
    ),
    Mistake(
        "context of one token",
        "second byte",
        "the new context is all of its tokens",
        Edit(
            """prob = model(context)[lo].item()
                longer.append(OpenCover((*context, strings[lo]), weight * prob, 0, len(strings), 0))""",
            """p = model(context)[lo].item()
                longer.append(OpenCover((strings[lo][depth:],), weight * p, 0, len(strings), 0))""",
        ),
    ),
]

#: Knows the answers to the public checks, and nothing else.
HARD_CODED = """
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
"""
