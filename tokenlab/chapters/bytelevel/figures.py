r"""Pictures of the byte-level chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it.

The data are what the picture shows, as plain numbers, so that tests and notebooks can
read them; the alternative text is written from them. :func:`typing_widget` is the one
picture that needs a kernel; :func:`typing` is its twin for a page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tokenlab.bytelevel.covers import Contexts, CoverFrontier
from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.tasks.explain import Cover, Explanation
from tokenlab.bytelevel.tokenizer.vocabulary import END, ByteVocabulary
from tokenlab.chapters.bytelevel import exact
from tokenlab.errors import ArgumentError, DtypeError, ProbabilityError, ShapeError, check_int
from tokenlab.figures import BLUE, CYCLE, GREY, INK, LEGEND, ORANGE, RED, new_figure, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: How bytes are written that have no sign of their own.
SIGNS = {0x20: "␣", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}


#: Width of one byte in the pictures of covers, in inches.
BYTE = 0.27


#: Merges of the picture of two spines, in the order of training.
MERGES = ((b"a", b"b"), (b"b", b"a"), (b"ab", b"a"), (b"ba", b"b"))


def byte_label(byte: int) -> str:
    r"""How one byte is written under a bar; 256 is the end of the text.

    Examples
    --------
    >>> [byte_label(byte) for byte in (97, 32, 10, 0xC3, 256)]
    ['a', '␣', '\\n', '\\xc3', 'end']
    """
    check_int("byte", byte, low=0, high=END)
    if byte == END:
        return "end"
    return SIGNS.get(byte) or (chr(byte) if 0x20 < byte < 0x7F else f"\\x{byte:02x}")


def string_label(text: bytes) -> str:
    r"""How a string of bytes is written; characters stay together where they are whole.

    Examples
    --------
    >>> string_label(b" caf\xc3\xa9"), string_label(b"\xc3"), string_label(b"\n\n")
    ('␣café', '\\xc3', '\\n\\n')
    """
    label = ""
    for char in text.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if code < 0x80:
            label += byte_label(code)
        elif 0xDC80 <= code <= 0xDCFF:
            label += byte_label(code - 0xDC00)
        else:
            # What lies beyond is not in the font that the widths are taken from.
            label += char if code < 0x530 and char.isprintable() else f"\\u{code:04x}"
    return label


# Distributions of the next byte.
def next_byte(
    distributions: Tensor | Mapping[str, Tensor], top: int = 10, *, title: str | None = None
) -> tuple[Figure, dict]:
    """The distribution of the next byte as bars, of one method or of several beside one another.

    Parameters
    ----------
    distributions : Float[Tensor, "257"] or dict of them
        Log-probabilities of the bytes and of the end, as :meth:`ByteLM.next_byte_log_probs` gives
        them; with several, by the name of the method, at most four.
    top : int
        How many bytes have bars of their own: those that are most probable under any of the distributions.
        All others share one.
    title : str, optional
        Written above the bars.
    """
    rows = _distributions(distributions)
    check_int("top", top, low=1, high=20)
    stacked = torch.stack(list(rows.values()))
    # Of equal ones the lower byte, so that the picture does not hang on the order of a sort.
    shown = stacked.max(0).values.sort(descending=True, stable=True).indices[:top].tolist()
    labels = [byte_label(byte) for byte in shown]
    bars = {name: [*row[shown].tolist(), max(0.0, 1 - row[shown].sum().item())] for name, row in rows.items()}
    figure, axes = new_figure(6.4, 2.7)
    width = 0.82 / len(rows)
    for index, (name, heights) in enumerate(bars.items()):
        places = np.arange(top + 1) + (index - (len(rows) - 1) / 2) * width
        axes.bar(places, heights, width * 0.94, color=CYCLE[index], label=name)
    axes.set_xticks(range(top + 1), [*labels, "others"])
    _plain(axes.get_xticklabels())
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("probability")
    axes.tick_params(axis="x", length=0)
    if title is not None:
        _plain([axes.set_title(title)])
    if len(rows) > 1:
        axes.legend(**LEGEND)
    alt = f"Bars of the next byte{f' after {title}' if title else ''}. " + " ".join(
        f"{name}: {'; '.join(f'{label} {p:.3g}' for label, p in zip([*labels, 'all others'], heights, strict=True))}."
        for name, heights in bars.items()
    )
    return figure, {"bytes": shown, "labels": labels, "probs": bars, "alt": alt}


def typing(byte_lm: ByteLM, text: bytes, start: int = 0, top: int = 10) -> tuple[list[Figure], dict]:
    """The distribution of the next byte while a text is typed: one frame for each beginning of it.

    Made for :func:`tokenlab.figures.player`, with ``data["labels"]`` and ``data["alt"]``: what
    :func:`typing_widget` shows, on a page that has no kernel.

    Parameters
    ----------
    byte_lm : ByteLM or an ensemble
        The model.
    text : bytes
        The text.
    start : int
        Length of the first beginning.
    top : int
        How many bytes have bars of their own.
    """
    check_int("start", start, low=0, high=len(text) - 1)
    stream = byte_lm.stream(text[:start])
    frames: list[Figure] = []
    data: dict = {"labels": [], "alt": [], "best": [], "probs": []}
    for length in range(start, len(text) + 1):
        # The words beside the slider keep their width.
        label = string_label(text[max(0, length - 16) : length]) or "nothing"
        figure, drawn = next_byte(stream.log_probs, top, title=label)
        frames.append(figure)
        data["labels"].append(label)
        data["alt"].append(drawn["alt"])
        data["best"].append(drawn["labels"][0])
        (probs,) = drawn["probs"].values()
        data["probs"].append(probs[0])
        if length < len(text):
            stream.push(text[length])
    return frames, data


def typing_widget(byte_lm: ByteLM, text: str = "", top: int = 10):
    """A text box whose every change shows the distribution of the next byte; needs a kernel.

    Each beginning of what was typed keeps its state, so that a further letter costs one step, and
    taking one back costs nothing.

    Parameters
    ----------
    byte_lm : ByteLM or an ensemble
        The model.
    text : str
        What stands in the box at first.
    top : int
        How many bytes have bars of their own.

    Returns
    -------
    ipywidgets.VBox
        The box, and the picture under it.
    """
    import html

    import ipywidgets

    if not isinstance(text, str):
        raise DtypeError(f"text must be a str, as it stands in a text box, found {type(text).__name__}")
    streams = {b"": byte_lm.stream(b"")}
    box = ipywidgets.Textarea(value=text, description="text", rows=2, layout={"width": "100%"})
    picture = ipywidgets.HTML()

    def redraw(_=None) -> None:
        try:
            typed = box.value.encode()
            known = max((prefix for prefix in streams if typed.startswith(prefix)), key=len)
            for length in range(len(known) + 1, len(typed) + 1):
                stream = streams[typed[: length - 1]].copy()
                stream.push(typed[length - 1])
                streams[typed[:length]] = stream
            figure, data = next_byte(streams[typed].log_probs, top)
        except ValueError as error:
            # What a reader types may be no text of this tokenizer; the box must stay usable.
            picture.value = f"<p>{html.escape(str(error))}</p>"
            return
        after = f"after {string_label(typed[-40:])}" if typed else "at the beginning of a text"
        picture.value = show(figure, caption=f"The next byte {after}.", alt=data["alt"])._repr_html_()

    box.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([box, picture])


def per_byte(
    text: bytes,
    bits: Mapping[str, Sequence[float] | Tensor],
    borders: Iterable[int] = (),
    *,
    ylabel: str = "bits",
) -> tuple[Figure, dict]:
    """What each byte of a text costs under several methods.

    Parameters
    ----------
    text : bytes
        The text, at most 80 bytes.
    bits : dict of sequences of float
        By the name of the method, one number for each byte; nan where a method gives none.
    borders : iterable of int
        Places between bytes that get a thin line: where tokens of the text's encoding end.
    ylabel : str
        What the numbers are.
    """
    rows = {name: [float(value) for value in values] for name, values in bits.items()}
    if not 1 <= len(text) <= 80:
        raise ArgumentError(f"text has {len(text)} bytes, expected 1 to 80, to be drawn")
    if not 1 <= len(rows) <= 4:
        raise ArgumentError(f"bits has {len(rows)} methods, expected 1 to 4")
    for name, values in rows.items():
        if len(values) != len(text):
            raise ShapeError(
                f"bits[{name!r}] has {len(values)} entries, expected one for each of {len(text)} bytes"
            )
    borders = [check_int("borders", border, low=0, high=len(text)) for border in borders]
    figure, axes = new_figure(max(4.4, 0.13 * len(text) + 1), 2.8)
    for border in borders:
        axes.axvline(border - 0.5, color=GREY, linewidth=0.7, alpha=0.6)
    markers = "osD^"
    for index, (name, values) in enumerate(rows.items()):
        style = {"marker": markers[index], "markersize": 3.5, "linewidth": 1.1}
        axes.plot(range(len(text)), values, color=CYCLE[index], label=name, **style)
    axes.set_xticks(range(len(text)), [SIGNS.get(byte, byte_label(byte)) for byte in text])
    _plain(axes.get_xticklabels())
    axes.tick_params(axis="x", length=0, labelsize=9)
    axes.set_xlim(-0.6, len(text) - 0.4)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(ylabel)
    if len(rows) > 1:
        figure.legend(loc="outside upper center", ncols=len(rows), **LEGEND)
    means = {name: _mean(values) for name, values in rows.items()}
    worst = {
        name: int(np.nanargmax(values)) if np.isfinite(values).any() else 0 for name, values in rows.items()
    }
    alt = f"Lines over the {len(text)} bytes of “{string_label(text)}”, in {ylabel}. " + " ".join(
        f"{name}: mean {means[name]:.3g}, largest {rows[name][worst[name]]:.3g} at byte "
        f"{worst[name] + 1}, {byte_label(text[worst[name]])}."
        for name in rows
    )
    return figure, {"bits": rows, "means": means, "borders": borders, "alt": alt}


# Covers.
def covers(
    shown: Explanation | Sequence[Cover] | Sequence[exact.Tokens],
    text: bytes | None = None,
    labels: Sequence[str] | None = None,
) -> tuple[Figure, dict]:
    """Covers as rows of tokens under the bytes of the text; orange is what lies beyond it.

    Tokens that all covers have in common at the beginning are left out, but for the last of them.
    Bytes without a sign of their own are in hexadecimal.

    Parameters
    ----------
    shown : Explanation, or sequence of Cover or of tuples of bytes
        What :func:`~tokenlab.bytelevel.tasks.explain.explain`,
        :func:`~tokenlab.bytelevel.tasks.explain.cover_encodings` or
        :func:`~tokenlab.chapters.bytelevel.exact.covers` found; at most 16 covers.
    text : bytes, optional
        The text; needed if the covers are tuples.
    labels : sequence of str, optional
        Written after each row. Of an explanation it is the share of each cover.
    """
    others = 0.0
    if isinstance(shown, Explanation):
        text, others = shown.text, 1 - math.fsum(shown.shares)
        labels = [f"{share:.1%}" for share in shown.shares] if labels is None else labels
        shown = shown.covers
    rows = [_pieces(cover, text) for cover in shown]
    if not 1 <= len(rows) <= 16:
        raise ArgumentError(f"shown has {len(rows)} covers, expected 1 to 16, to be drawn")
    if len({b"".join(pieces)[: len(whole)] for pieces, whole in rows}) > 1:
        raise ArgumentError("shown holds covers of different texts")
    if labels is not None and len(labels) != len(rows):
        raise ShapeError(f"labels has {len(labels)} entries, expected one for each of {len(rows)} covers")
    # A dummy space stands before the text and belongs to what is covered.
    whole, rows = rows[0][1], [pieces for pieces, _ in rows]
    common = 0
    while all(len(pieces) > common + 1 and pieces[common] == rows[0][common] for pieces in rows):
        common += 1
    common = max(0, common - 1) if len(rows) > 1 else 0
    first = sum(map(len, rows[0][:common]))
    columns = max(len(b"".join(pieces)) for pieces in rows) - first
    if columns > 48:
        raise ArgumentError(
            f"shown needs {columns} bytes beside one another, expected at most 48, to be drawn"
        )
    end = len(whole) - first
    wide = max(map(len, labels), default=0) * 0.085 + 0.15 if labels else 0
    figure, axes = new_figure(max(3.2, BYTE * (columns + 1.5) + wide), 0.32 * len(rows) + 0.75)
    letters = {"ha": "center", "va": "center", "parse_math": False}
    for place, byte in enumerate(whole[first:]):
        axes.text(place + 0.5, 0.5, _sign(byte), color=INK, fontweight="bold", **letters)
    axes.text(-0.25, 0.5, "…" if common else "", ha="right", va="center", color=INK)
    for row, pieces in enumerate(rows, start=1):
        place = 0
        for piece in pieces[common:]:
            inside = max(0, min(len(piece), end - place))
            _box(axes, place, row, inside, len(piece), BLUE)
            _box(axes, place + inside, row, len(piece) - inside, len(piece), ORANGE)
            axes.add_patch(_frame(place, row, len(piece)))
            for offset, byte in enumerate(piece):
                axes.text(place + offset + 0.5, row + 0.5, _sign(byte), color=INK, **letters)
            place += len(piece)
        if labels:
            axes.text(
                columns + 0.35,
                row + 0.5,
                labels[row - 1],
                ha="left",
                va="center",
                color=INK,
                parse_math=False,
            )
    axes.plot([end, end], [0.1, len(rows) + 1], color=INK, linewidth=1.2, linestyle="--")
    axes.set_xlim(-0.8, columns + 0.3 + wide / BYTE)
    axes.set_ylim(len(rows) + 1.1, 0)
    axes.axis("off")
    words = [" | ".join(string_label(piece) for piece in pieces[common:]) for pieces in rows]
    before = string_label(b"".join(rows[0][:common]))
    alt = (
        f"Covers of “{string_label(whole)}” in rows of tokens"
        + (f", all after “{before}”" if common else "")
        + ": "
    )
    alt += "; ".join(
        words if labels is None else [f"{word} ({label})" for word, label in zip(words, labels, strict=True)]
    )
    alt += f". {len(rows)} cover{'s' * (len(rows) > 1)}" + (
        f", others {others:.2g} in all." if others > 1e-9 else "."
    )
    data = {"text": whole, "tokens": rows, "labels": list(labels or []), "common": common, "others": others}
    return figure, data | {"alt": alt}


def narrowing(tokenizer: exact.Tokenizer, text: bytes) -> tuple[list[Figure], dict]:
    """Contexts and their ranges of the sorted vocabulary while a text is read: a frame for each byte.

    Made for :func:`tokenlab.figures.player`. The context that the model is asked about for the
    first time is orange. Tokens in a range that may not stand after the context are hollow.

    Parameters
    ----------
    tokenizer : tokenlab.chapters.bytelevel.exact.Tokenizer
        At most 24 tokens.
    text : bytes
        What is read.
    """
    vocabulary = ByteVocabulary(tokenizer.vocabulary)
    if len(vocabulary) > 24:
        raise ArgumentError(f"tokenizer has {len(vocabulary)} tokens, expected at most 24, to be drawn")
    rules = _ToyRules(tokenizer, vocabulary)
    frontier = CoverFrontier(vocabulary, rules, Contexts(rules.start))
    stages = []
    for length in range(len(text) + 1):
        stages.append(
            [(frontier.contexts.states[h.node], h.lo, h.hi, h.depth) for h in frontier.all_open_covers()]
        )
        if length < len(text):
            frontier.read(text[length])
            if not frontier.is_alive:
                raise ArgumentError(
                    f"text holds {byte_label(text[length])!r}, which no token of the tokenizer spells"
                )
    most = max(map(len, stages))
    frames, alt = [], []
    data: dict = {"labels": [], "open_covers": [], "new": []}
    for length, open_covers in enumerate(stages):
        label = string_label(text[:length]) or "nothing"
        frames.append(_narrowing_frame(vocabulary, rules, open_covers, most, label))
        counts = [int(rules.allowed(state)[lo:hi].sum()) for state, lo, hi, _ in open_covers]
        parts = [
            f"after {_spaced(state) or 'the start'} {count} token{'s' * (count != 1)}"
            + (
                f" that begin{'s' * (count == 1)} with {string_label(text[length - depth : length])}"
                if depth
                else ", asked now"
            )
            for (state, _, _, depth), count in zip(open_covers, counts, strict=True)
        ]
        alt.append(
            f"Read {label}, {len(open_covers)} context{'s' * (len(open_covers) > 1)}: {'; '.join(parts)}."
        )
        data["labels"].append(label)
        data["open_covers"].append(
            [(state, count) for (state, *_), count in zip(open_covers, counts, strict=True)]
        )
        data["new"].append(sum(depth == 0 for *_, depth in open_covers))
    return frames, data | {"alt": alt}


def _narrowing_frame(
    vocabulary: ByteVocabulary, rules: _ToyRules, open_covers: list, most: int, label: str
) -> Figure:
    rows = len(vocabulary)
    figure, axes = new_figure(1.25 * most + 1.2, 0.235 * rows + 0.7)
    for place, string in enumerate(vocabulary.strings):
        axes.text(
            -0.15, place + 0.5, string_label(string), ha="right", va="center", color=INK, parse_math=False
        )
    for column, (state, lo, hi, depth) in enumerate(open_covers):
        colour, allowed = (BLUE if depth else ORANGE), rules.allowed(state)
        name = _spaced(state) or "start"
        axes.text(column + 0.45, -0.5, name, ha="center", va="center", color=INK, parse_math=False)
        for place in range(lo, hi):
            _cell(axes, column, place, colour if allowed[place] else None, colour)
    axes.text(
        -0.15, -0.5, f"read {label}", ha="right", va="center", color=INK, fontweight="bold", parse_math=False
    )
    axes.set_xlim(-1.1, most)
    axes.set_ylim(rows, -1)
    axes.axis("off")
    return figure


# The two-state chain, and the merges of two neighbours.
def chains(alpha: Fraction | str = "2/5", beta: Fraction | str = "3/10") -> tuple[Figure, dict]:
    r"""The chain of bytes A and B, and the chain of tokens AA, A and B that it becomes.

    Parameters
    ----------
    alpha, beta : Fraction or str
        Probabilities of going from A to B, and from B to A, between 0 and 1.
    """
    alpha, beta = Fraction(alpha), Fraction(beta)
    if not (0 < alpha < 1 and 0 < beta < 1):
        raise ProbabilityError(f"alpha and beta are {alpha} and {beta}, expected them between 0 and 1")
    source, tokens = exact.two_state_chain(alpha, beta), exact.two_state_tokens(alpha, beta)
    figure, panels = new_figure(6.4, 2.9, ncols=2, width_ratios=[3.0, 3.9])
    distributions = {"bytes": {state: source.next_byte(state) for state in (b"A", b"B")}}
    distributions["tokens"] = {state: tokens[state] for state in (b"AA", b"A", b"B")}
    places = {
        "bytes": {b"A": (0, 0.35), b"B": (1.7, 0.35)},
        "tokens": {b"AA": (1.2, 1.2), b"A": (0, -0.35), b"B": (2.4, -0.35)},
    }
    for axes, (name, distribution) in zip(panels, distributions.items(), strict=True):
        for state, row in distribution.items():
            for target, p in row.items():
                if p:
                    sure = p == 1
                    _arrow(axes, places[name][state], places[name][target], str(p), RED if sure else GREY)
            _node(axes, places[name][state], state.decode())
        axes.set_title(name)
        axes.set_xlim(-0.65, 3.25 if name == "tokens" else 2.35)
        axes.set_ylim(-0.95, 2.0)
        axes.set_aspect("equal")
        axes.axis("off")
    alt = " ".join(
        f"Chain of {name}: "
        + "; ".join(
            f"from {state.decode()} to "
            + ", ".join(f"{target.decode()} {p}" for target, p in row.items() if p)
            for state, row in distribution.items()
        )
        + "."
        for name, distribution in distributions.items()
    )
    return figure, {"distributions": distributions, "alt": alt}


def spines(
    pairs: Sequence[tuple[bytes, bytes]] = ((b"ab", b"ab"), (b"aba", b"b")),
    merges: Sequence[tuple[bytes, bytes]] = MERGES,
) -> tuple[Figure, dict]:
    """How two neighbours were merged, time upwards, and what met at their border meanwhile.

    Left of the dashed border only the right edge of the left token counts, right of it the left
    edge of the right one. Where the two that meet have a merge whose turn comes then, BPE joins them
    across the border: the neighbours are no encoding.

    Parameters
    ----------
    pairs : sequence of pairs of bytes
        Tokens beside one another, at most three pairs.
    merges : sequence of pairs of bytes
        In the order of training; each makes another token.
    """
    if not 1 <= len(pairs) <= 3:
        raise ArgumentError(f"pairs has {len(pairs)} entries, expected 1 to 3")
    ranks = {merge: rank for rank, merge in enumerate(merges, start=1)}
    parts = {left + right: (left, right) for left, right in merges}
    figure, panels = new_figure(6.4, 0.42 * len(merges) + 1.5, ncols=len(pairs), sharey=True, squeeze=False)
    data: dict = {"pairs": list(pairs), "meetings": [], "valid": []}
    for axes, (left, right) in zip(panels[0], pairs, strict=True):
        for token in (left, right):
            if len(token) != 1 and token not in parts:
                raise ArgumentError(f"pairs holds {token!r}, which the merges do not make")
        meetings = border(left, right, merges)
        joined = next((rank for rank, _, _, joins in meetings if joins), None)
        _tree(axes, left, -len(left), ranks, parts, right_edge=True)
        _tree(axes, right, 0, ranks, parts, right_edge=False)
        axes.axvline(0, color=GREY, linewidth=1, linestyle="--", zorder=0)
        if joined is not None:
            axes.plot([-0.5, 0.5], [joined, joined], color=RED, linewidth=2.5)
            axes.plot(0, joined, "x", color=RED, markersize=9, markeredgewidth=2.5)
        verdict = "an encoding" if joined is None else f"joined by merge {joined}"
        _plain([axes.set_title(f"{string_label(left)} | {string_label(right)}: {verdict}")])
        axes.set_xlim(
            -max(len(t) for p in pairs for t in p) - 0.2, max(len(t) for p in pairs for t in p) + 0.2
        )
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        data["meetings"].append(meetings)
        data["valid"].append(joined is None)
    rows = [f"{rank}: {string_label(left)} + {string_label(right)}" for (left, right), rank in ranks.items()]
    panels[0][0].set_yticks(range(len(merges) + 1), ["bytes", *rows])
    _plain(panels[0][0].get_yticklabels())
    panels[0][0].set_ylim(-0.45, len(merges) + 0.5)
    panels[0][0].set_ylabel("merge, in order")
    alt = f"Merges in order: {'; '.join(rows)}. " + " ".join(
        f"{string_label(left)} before {string_label(right)}: at the border met "
        + ", ".join(
            f"{string_label(u)} and {string_label(v)}" + (f", joined by merge {rank}" if joins else "")
            for rank, u, v, joins in _changes(meetings)
        )
        + f"; {'an encoding' if ok else 'no encoding'}."
        for (left, right), meetings, ok in zip(pairs, data["meetings"], data["valid"], strict=True)
    )
    return figure, data | {"alt": alt}


def border(
    left: bytes, right: bytes, merges: Sequence[tuple[bytes, bytes]]
) -> list[tuple[int, bytes, bytes, bool]]:
    """What meets at the border of two tokens at each merge's turn, and whether the merge joins it.

    A merge runs from left to right. So when it reaches the border it has done its work in the left
    token, and not yet in the right one.

    Returns
    -------
    list of (rank, bytes, bytes, bool)
        Up to the first merge that joins, or up to the last.

    Examples
    --------
    >>> border(b"A", b"AA", [(b"A", b"A")]), border(b"AA", b"A", [(b"A", b"A")])
    ([(1, b'A', b'A', True)], [(1, b'AA', b'A', False)])
    """
    ranks = {left + right: rank for rank, (left, right) in enumerate(merges, start=1)}
    parts = {left + right: (left, right) for left, right in merges}

    def edge(token: bytes, side: int, done: int) -> bytes:
        """The part of a token at its edge once the first ``done`` merges have run."""
        while ranks.get(token, 0) > done:
            token = parts[token][side]
        return token

    meetings = []
    for rank, merge in enumerate(merges, start=1):
        u, v = edge(left, 1, rank), edge(right, 0, rank - 1)
        meetings.append((rank, u, v, (u, v) == tuple(merge)))
        if meetings[-1][3]:
            break
    return meetings


class _ToyRules:
    """Which sequences count, by re-encoding; a state is the tokens themselves."""

    start: exact.Tokens = ()

    def __init__(self, tokenizer: exact.Tokenizer, vocabulary: ByteVocabulary) -> None:
        self.tokenizer, self.vocabulary = tokenizer, vocabulary

    def allowed(self, state: exact.Tokens) -> np.ndarray:
        return np.array(
            [exact.is_viable(self.tokenizer, (*state, string)) for string in self.vocabulary.strings]
        )

    def after(self, state: exact.Tokens, token: int) -> exact.Tokens:
        return (*state, self.tokenizer.vocabulary[token])

    def may_end(self, state: exact.Tokens) -> bool:
        return exact.is_valid(self.tokenizer, state)

    def inside_character(self, state: exact.Tokens) -> bool:
        return False


def _distributions(distributions: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
    rows = {"probability": distributions} if isinstance(distributions, Tensor) else dict(distributions)
    if not 1 <= len(rows) <= 4:
        raise ArgumentError(f"distributions has {len(rows)} methods, expected 1 to 4")
    probs = {}
    for name, row in rows.items():
        if not isinstance(row, Tensor) or row.shape != (END + 1,):
            found = tuple(row.shape) if isinstance(row, Tensor) else type(row).__name__
            raise ShapeError(
                f"distributions[{name!r}] is {found}, expected a tensor of {END + 1} log-probabilities"
            )
        probs[name] = row.detach().double().cpu().exp()
        if not abs(probs[name].sum().item() - 1) < 1e-3:
            raise ProbabilityError(
                f"exp of distributions[{name!r}] sums to {probs[name].sum().item():.6g}, expected 1: "
                "natural logarithms are expected"
            )
    return probs


def _pieces(cover: Cover | exact.Tokens, text: bytes | None) -> tuple[list[bytes], bytes]:
    """Tokens of a cover, and the text that it covers."""
    if isinstance(cover, Cover):
        whole = b"".join(cover.strings)
        return list(cover.strings), whole[: len(whole) - len(cover.beyond)]
    if text is None:
        raise ArgumentError("text is None, expected the text that is covered: tuples of tokens do not say it")
    pieces = [exact.spell(token) for token in cover]
    if not b"".join(pieces).startswith(text):
        raise ArgumentError(f"shown holds {cover!r}, which is no cover of {text!r}")
    return pieces, text


def _sign(byte: int) -> str:
    """One or two characters for a byte."""
    return SIGNS.get(byte) or (chr(byte) if 0x20 < byte < 0x7F else f"{byte:02X}")


def _spaced(tokens: exact.Tokens) -> str:
    return " ".join(string_label(token) for token in tokens)


def _plain(texts: Iterable) -> None:
    """A dollar sign is a byte here, and no mathematics."""
    for text in texts:
        text.set_parse_math(False)


def _box(axes: Axes, place: float, row: int, width: float, total: int, colour: str) -> None:
    from matplotlib.patches import Rectangle

    if width:
        axes.add_patch(
            Rectangle(
                (place + 0.06, row + 0.08), width - 0.12, 0.84, facecolor=colour, alpha=0.32, linewidth=0
            )
        )


def _frame(place: float, row: int, width: int):
    from matplotlib.patches import Rectangle

    corner = (place + 0.06, row + 0.08)
    return Rectangle(corner, width - 0.12, 0.84, facecolor="none", edgecolor=INK, linewidth=0.9)


def _cell(axes: Axes, column: int, place: int, fill: str | None, edge: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (column + 0.08, place + 0.1),
            0.74,
            0.8,
            facecolor=fill or "none",
            edgecolor=edge,
            linewidth=0.8,
            alpha=0.75 if fill else 0.6,
        )
    )


def _node(axes: Axes, place: tuple[float, float], name: str) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle(place, 0.24, facecolor="none", edgecolor=BLUE, linewidth=2))
    axes.text(*place, name, ha="center", va="center", color=INK, fontweight="bold")


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], label: str, colour: str) -> None:
    """From one state to another, bent to its left, or a loop above or below it."""
    from matplotlib.patches import FancyArrowPatch

    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 10,
        "color": colour,
        "linewidth": 1.4,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    (x, y), (u, v) = start, end
    if start == end:
        away = 1 if y > 0 else -1
        tail, head = (x - 0.13, y + 0.21 * away), (x + 0.13, y + 0.21 * away)
        axes.add_patch(FancyArrowPatch(tail, head, connectionstyle=f"arc3,rad={-1.7 * away}", **style))
        axes.text(x, y + 0.56 * away, label, ha="center", va="center", color=INK)
        return
    length = math.hypot(u - x, v - y)
    along, across = ((u - x) / length, (v - y) / length), (-(v - y) / length, (u - x) / length)
    # A little to the left of the straight line, so that the way back does not lie on it.
    tail = (x + 0.27 * along[0] + 0.07 * across[0], y + 0.27 * along[1] + 0.07 * across[1])
    head = (u - 0.27 * along[0] + 0.07 * across[0], v - 0.27 * along[1] + 0.07 * across[1])
    axes.add_patch(FancyArrowPatch(tail, head, connectionstyle="arc3,rad=-0.15", **style))
    # Beyond the bend, which grows with the length; slanting ones keep out of the middle.
    away, part = 0.24 + 0.075 * length, 0.5 if y == v else 0.36
    beside = (x + part * (u - x) + away * across[0], y + part * (v - y) + away * across[1])
    axes.text(
        *beside, label, ha="center", va="center", color=INK, fontweight="bold" if label == "1" else None
    )


def _tree(axes: Axes, token: bytes, place: int, ranks: dict, parts: dict, right_edge: bool) -> None:
    """The merges that made a token; height is the merge's turn, the edge at the border is thick."""

    def draw(part: bytes, start: int, edge: bool) -> tuple[float, float]:
        if len(part) == 1:
            axes.text(
                start + 0.5, -0.25, string_label(part), ha="center", va="center", color=INK, parse_math=False
            )
            return start + 0.5, 0
        left, right = parts[part]
        height = ranks[left, right]
        ends = [
            draw(left, start, edge and not right_edge),
            draw(right, start + len(left), edge and right_edge),
        ]
        middle = (ends[0][0] + ends[1][0]) / 2
        for (x, y), on_edge in zip(ends, (edge and not right_edge, edge and right_edge), strict=True):
            axes.plot(
                [x, x, middle],
                [y, height, height],
                color=BLUE if on_edge else GREY,
                linewidth=2.6 if on_edge else 1.2,
            )
        return middle, height

    x, y = draw(token, place, True)
    axes.plot([x, x], [y, len(ranks) + 0.45], color=BLUE, linewidth=2.6)


def _changes(meetings: list[tuple[int, bytes, bytes, bool]]) -> list[tuple[int, bytes, bytes, bool]]:
    """Meetings without those that only repeat the one before."""
    kept = []
    for meeting in meetings:
        if not kept or meeting[3] or meeting[1:3] != kept[-1][1:3]:
            kept.append(meeting)
    return kept


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
