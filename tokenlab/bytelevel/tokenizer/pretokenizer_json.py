"""A pre-tokenizer's entry in ``tokenizer.json``, read as divisions of a text by patterns."""

from __future__ import annotations

from typing import Any, NamedTuple

from tokenlab.bytelevel.tokenizer.patterns import ANY, Atom, Chain, Choice, Look, Node, Repeat, literal, parse
from tokenlab.errors import ArgumentError, DtypeError

#: What GPT-2 splits at, and ``ByteLevel`` with ``use_regex``.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class Stage(NamedTuple):
    """Matches of a pattern, and what lies between; without ``gaps`` that must be nothing."""

    pattern: Node
    gaps: bool = True


def read_stages(spec: dict[str, Any] | None) -> list[Stage]:
    """The divisions of a pre-tokenizer, outermost first.

    DtypeError if ``spec`` is no description; ArgumentError if it drops text, adds it inside, or is not supported.
    """
    stages: list[Stage] = []
    mapped = False
    for part in flat_parts(spec, "pretokenizers"):
        name = part["type"]
        if mapped:
            raise ArgumentError(
                f"spec has {name!r} after ByteLevel, which would divide bytes, so that a piece may end inside a "
                "character; a splitter that reads bytes in place of characters would be needed"
            )
        if name == "Split":
            stages.append(_split(part))
        elif name == "ByteLevel":
            if stages and adds_space(part):
                raise ArgumentError(
                    "spec holds ByteLevel with add_prefix_space after another division, where it puts a "
                    "space before each piece; expected it first, or add_prefix_space false"
                )
            if part.get("use_regex", True):
                stages.append(Stage(parse(GPT2_PATTERN)))
            mapped = True
        elif name == "Digits":
            atom = Atom("Digits", by="Digits")
            stages.append(Stage(atom if part.get("individual_digits") else Repeat(atom, 1, None)))
        elif name == "Punctuation":
            stages.append(divided_at(Atom("Punctuation", by="Punctuation"), part.get("behavior", "Isolated")))
        elif name == "Metaspace":
            if stages:
                raise ArgumentError(
                    "spec has Metaspace after another division, which sees the spaces it replaces"
                )
            if part.get("split", True):
                stages.append(divided_at(literal(_field(part, "replacement")), "MergedWithNext"))
        else:
            drops = name in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit")
            why = "drops white space or delimiters" if drops else "is not supported"
            raise ArgumentError(
                f"spec holds the pre-tokenizer {name!r}, which {why}; expected Split, ByteLevel, Digits, "
                "Punctuation, Metaspace, or a Sequence of these"
            )
    return stages


def adds_space(part: dict[str, Any]) -> bool:
    """Whether a pre-tokenizer puts a space before a text that begins with none."""
    if part["type"] == "ByteLevel":
        return part.get("add_prefix_space", True)
    return part["type"] == "Metaspace" and part.get("prepend_scheme", "always") != "never"


def flat_parts(spec: dict[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """An entry of ``tokenizer.json`` as a flat list of parts.

    ``name``: where a sequence has them, ``"pretokenizers"`` or ``"normalizers"``.
    """
    if spec is None:
        return []
    if not isinstance(spec, dict) or "type" not in spec:
        raise DtypeError(
            "spec must be a pre-tokenizer's or a normalizer's description, a dict with 'type', "
            f"found {spec!r:.80}"
        )
    if spec["type"] == "Sequence":
        return [part for inner in _field(spec, name) for part in flat_parts(inner, name)]
    return [spec]


def _field(part: dict[str, Any], name: str) -> Any:
    if name not in part:
        raise ArgumentError(f"spec holds a {part['type']} without {name!r}")
    return part[name]


def _split(part: dict[str, Any]) -> Stage:
    kind, text = next(iter(_field(part, "pattern").items()))
    if kind == "Regex":
        node = parse(text)
    else:
        if not text:
            raise ArgumentError("spec holds a Split at the empty string")
        chars = tuple(literal(char) for char in text)
        node = chars[0] if len(chars) == 1 else Chain(chars)
    behavior, invert = _field(part, "behavior"), part.get("invert", False)
    if behavior == "Isolated":
        return Stage(node)
    if behavior == "Removed" and invert:
        return Stage(node, gaps=False)
    if behavior == "Removed":
        raise ArgumentError(f"spec holds a Split that removes what {text!r} matches: text would be dropped")
    if invert and behavior != "Contiguous":
        raise ArgumentError(f"spec holds an inverted Split with the behavior {behavior!r}: not supported")
    if not isinstance(node, Atom):
        raise ArgumentError(
            f"spec holds a Split at {text!r} with the behavior {behavior!r}, which is supported "
            "for patterns of one character only"
        )
    return divided_at(node, behavior)


def divided_at(atom: Atom, behavior: str) -> Stage:
    """The division at an atom's characters by a behaviour of the library."""
    others = Chain((Look(atom, negative=True), ANY))
    if behavior == "Isolated":
        return Stage(atom)
    if behavior == "Contiguous":
        return Stage(Repeat(atom, 1, None))
    if behavior == "MergedWithPrevious":
        return Stage(Choice((Chain((Repeat(others, 0, None), atom)), Repeat(others, 1, None))))
    if behavior == "MergedWithNext":
        return Stage(Choice((Chain((atom, Repeat(others, 0, None))), Repeat(others, 1, None))))
    raise ArgumentError(f"spec holds the behavior {behavior!r}, which drops text or is not supported")
