"""Small drawings of a few marks each, without words to read: for the map of the book and the cards of a chapter."""

from __future__ import annotations

from tokenlab.figures import BLUE, GREY, ORANGE


def svg(marks: str) -> str:
    """A drawing for the eye only: what it stands beside says the same."""
    return f'<svg viewBox="0 0 64 48" aria-hidden="true" focusable="false">{marks}</svg>'


def box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{colour}"/>'


def frame(x: float, y: float, width: float, height: float, colour: str, *, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="3 2"' if dashed else ""
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {size} fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def dot(x: float, y: float, colour: str, radius: float = 5) -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}"/>'


def stroke(path: str, colour: str) -> str:
    return f'<path d="{path}" stroke="{colour}" stroke-width="2" fill="none"/>'


def arrow(x: float, y: float, length: float, colour: str) -> str:
    """From (x, y) down."""
    return stroke(f"M{x:g} {y:g}v{length:g}m-3-3 3 4 3-4", colour)


HEIGHTS = (12, 30, 20, 9, 5)


def bars(*colours: str) -> str:
    """Probabilities: bars on a line, from the left."""
    return "".join(
        box(6 + 11 * i, 42 - height, 8, height, colour)
        for i, (height, colour) in enumerate(zip(HEIGHTS, colours, strict=True))
    )


TREE = {"root": (8, 24), "a": (30, 12), "b": (30, 36), "c": (54, 6), "d": (54, 20), "e": (54, 36)}


def branch(start: str, end: str, colour: str) -> str:
    (x, y), (u, v) = TREE[start], TREE[end]
    return f'<path d="M{x} {y}L{u} {v}" stroke="{colour}" stroke-width="2.5"/>{dot(u, v, colour)}'


def letters(word: str, known: int) -> str:
    """A byte in each box; those after the first ``known`` are still to be said."""
    return "".join(
        frame(3 + 15 * i, 14, 13, 20, GREY if i < known else BLUE, dashed=i >= known)
        + f'<text x="{9.5 + 15 * i}" y="29" text-anchor="middle" font-size="13" fill="currentColor">{letter}</text>'
        for i, letter in enumerate(word)
    )


def tiles(y: float, colours: str) -> str:
    """A row of a vocabulary, cut into tiles; one letter for each colour."""
    shown = {"b": BLUE, "g": GREY, "o": ORANGE}
    return "".join(box(5 + 14 * i, y, 12, 8, shown[letter]) for i, letter in enumerate(colours))


#: Draft beside target: what of the draft (filled) the target (framed) accepts, and what is too much.
EXCESS = "".join(
    box(6 + 19 * i, 42 - min(draft, target), 14, min(draft, target), BLUE)
    + box(6 + 19 * i, 42 - draft, 14, max(draft - target, 0), ORANGE)
    + frame(6 + 19 * i, 42 - target, 14, target, "currentColor")
    for i, (draft, target) in enumerate([(36, 18), (14, 14), (6, 24)])
)
CHOICE = bars(GREY, BLUE, GREY, GREY, GREY) + arrow(21, 3, 5, BLUE)
BRANCHES = (
    branch("root", "b", ORANGE)
    + branch("b", "e", GREY)
    + branch("root", "a", BLUE)
    + branch("a", "c", GREY)
    + branch("a", "d", BLUE)
    + dot(8, 24, BLUE)
)
#: By the name of a station of the map, and by the page of a part.
DRAWINGS = {
    "logits": bars(*[GREY] * 5),
    "choose": CHOICE,
    "drafts": BRANCHES,
    "bytes": letters("Pari", 3),
    "coming": "".join(dot(14 + 18 * i, 24, GREY, 3.5) for i in range(3)),
    "book/sampling/derive": CHOICE,
    # A truncation: what lies below the line is left out.
    "book/sampling/run": bars(ORANGE, BLUE, BLUE, ORANGE, ORANGE) + stroke("M2 26H62", "currentColor"),
    # One read of a row leaves a token.
    "book/sampling/kernels": tiles(8, "gbgg") + arrow(25, 18, 12, BLUE) + dot(25, 39, BLUE),
    "book/transport/derive": EXCESS,
    "book/transport/derive-trees": BRANCHES,
    # Above a call for each token, below a call for several.
    "book/transport/run": "".join(
        box(4 + 15 * i, 10, 9, 9, GREY) + dot(8.5 + 15 * i, 5, GREY, 2) for i in range(4)
    )
    + "".join(box(4 + 11 * i, 32, 9, 9, BLUE if i < 4 else GREY) for i in range(5))
    + dot(30.5, 27, BLUE, 2),
    # Two rows, read together, leave a token.
    "book/transport/kernels": tiles(4, "bgbb")
    + tiles(15, "bobb")
    + arrow(25, 25, 9, BLUE)
    + dot(25, 41, BLUE),
    "book/bytelevel/derive": letters("Pari", 3),
    # A gap that is filled.
    "book/bytelevel/run": box(4, 8, 44, 5, GREY)
    + box(4, 21, 14, 5, GREY)
    + frame(21, 18, 26, 11, BLUE, dashed=True)
    + box(50, 21, 10, 5, GREY)
    + box(4, 34, 34, 5, GREY),
    # Tokens go to the byte that they begin with.
    "book/bytelevel/kernels": tiles(4, "bgob")
    + stroke("M11 14V34M53 14L13 35", BLUE)
    + stroke("M25 14L32 34", GREY)
    + stroke("M39 14L53 34", ORANGE)
    + box(5, 36, 12, 8, BLUE)
    + box(26, 36, 12, 8, GREY)
    + box(47, 36, 12, 8, ORANGE),
}


def drawing(name: str) -> str:
    """The drawing of that name; nothing for a page that has none."""
    return svg(DRAWINGS[name]) if name in DRAWINGS else ""
