"""Pre-tokenizers that are in use, as the ``tokenizers`` library writes them, and what they do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tokenlab.bytelevel.tokenizer.pretokenizer import Splitter


def split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(parts)}


BYTES_ONLY = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True}

SHORT_FORMS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SHORT_FORMS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SHORT_FORMS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + REST
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*" + REST
)
LAB_BYTES = r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LAB_SPM = r"\n|▁*[^▁\n\d]+|\d|▁+"


def _words(numbers: str) -> str:
    return SHORT_FORMS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + numbers + r"| ?[^\s\p{L}\p{N}]+[\r\n]*" + REST


SPECS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "gpt2": GPT2,
    "llama3": sequence(split(_words(r"\p{N}{1,3}")), BYTES_ONLY),
    "qwen2": sequence(split(_words(r"\p{N}")), BYTES_ONLY),
    "tiktoken": split(
        SHORT_FORMS + r"|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*" + REST, "Removed", True
    ),
    "o200k": split(O200K, "Removed", True),
    "deepseek": sequence(
        split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK), BYTES_ONLY
    ),
    "deepseek_coder": sequence(
        split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-\ud7ff]+"), split(r"\s+$"),
        {"type": "Digits", "individual_digits": True}, BYTES_ONLY,
    ),
    "starcoder": sequence({"type": "Digits", "individual_digits": True}, GPT2),
    "digit_runs": sequence({"type": "Digits", "individual_digits": False}, split(r"\s+(?!\S)|\s"), BYTES_ONLY),
    "punctuation": sequence(
        {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Punctuation", "behavior": "Contiguous"}, GPT2
    ),
    "three_digits": split("[0-9][0-9][0-9]"),
    "gaps_that_look_ahead": sequence(split(r"a+b|1(?!1)"), split(r"(?:\s.){2}(?=\S)")),
    "lab_bytes": sequence(split(LAB_BYTES), BYTES_ONLY),
    "lab_spm": split(LAB_SPM),
    "metaspace": METASPACE,
    "metaspace_digits": sequence(METASPACE, {"type": "Digits", "individual_digits": True}),
    "space_before": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
    "space_after": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithNext", "invert": False},
    "space_runs": {"type": "Split", "pattern": {"String": " "}, "behavior": "Contiguous", "invert": False},
    "string": {"type": "Split", "pattern": {"String": "a1"}, "behavior": "Isolated", "invert": True},
}  # fmt: skip


def library(spec: dict[str, Any] | None):
    """The library's own pre-tokenizer; None if there is none."""
    from tokenizers import Tokenizer, models

    state = json.loads(Tokenizer(models.BPE()).to_str())
    state["pre_tokenizer"] = spec
    return Tokenizer.from_str(json.dumps(state)).pre_tokenizer


def true_borders(pre_tokenizer, text: str) -> frozenset[int]:
    """Where pieces begin, but for the first."""
    if pre_tokenizer is None:
        return frozenset()
    return frozenset(start for _, (start, _) in pre_tokenizer.pre_tokenize_str(text)) - {0}


def divisions(splitter: Splitter, text: str) -> dict[frozenset[int], int]:
    """Every division of a text that is still alive, with its state."""
    alive = {frozenset(): splitter.start}
    for position, kind in enumerate(splitter.classes_of(text)):
        steps = [(borders, splitter.go_on[state, kind]) for borders, state in alive.items()]
        steps += [(borders | {position}, splitter.cut[state, kind]) for borders, state in alive.items()]
        alive = {borders: int(state) for borders, state in steps if state != Splitter.DEAD}
    return alive


def accepted(splitter: Splitter, text: str) -> list[frozenset[int]]:
    """The divisions that are true if the text ends here."""
    return [borders for borders, state in divisions(splitter, text).items() if splitter.may_end[state]]


def completions(splitter: Splitter) -> list[list[tuple[int, bool]] | None]:
    """For each state a shortest continuation after which the text may end: classes, and whether to cut.

    None where there is none.
    """
    found: dict[int, list[tuple[int, bool]]] = {int(state): [] for state in np.flatnonzero(splitter.may_end)}
    while True:
        more = {}
        for state in set(range(len(splitter))) - set(found):
            for cuts, table in ((False, splitter.go_on), (True, splitter.cut)):
                for kind, after in enumerate(table[state].tolist()):
                    if after in found:
                        more[state] = [(kind, cuts), *found[after]]
        if not more:
            return [found.get(state) for state in range(len(splitter))]
        found |= more
