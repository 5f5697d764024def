"""What results files call their rows, in the words of the page; what has no other words stays as recorded."""

from __future__ import annotations

import re

from tokenlab.figures import METHODS

#: Pattern of a recorded name -> its words, before rules are named.
DECODING = (
    (r"transformers", "transformers, no draft"),
    (r"transformers assisted, default", "transformers, assisted as by default"),
    (r"transformers assisted, 1", "transformers, assisted by 1 draft"),
    (r"transformers assisted, (\d+)", r"transformers, assisted by \1 drafts"),
    (r"chain 1, (\w+)", r"1 draft, \1"),
    (r"chain (\d+), (\w+)", r"chain of \1, \2"),
    (r"iid_sequences (\d+) x (\d+), (\w+)", r"\1 sequences of \2, \3"),
    (r"without_replacement \((\d+), (\d+)\), (\w+)", r"tree \1-\2, \3"),
    (r"without_replacement \((\d+), (\d+), (\d+)\), (\w+)", r"tree \1-\2-\3, \4"),
    (r"dynamic (\d+), (\w+)", r"dynamic tree of \1, \2"),
)
BYTES = (
    (r"valid", "valid covers"),
    (r"valid, text known", "valid covers, text known"),
    (r"all, (\d+)", r"beam of \1"),
    (r"genlm-bytes, (\d+)(, .*)?", r"genlm-bytes, beam of \1\2"),
)


def words(patterns: tuple[tuple[str, str], ...], name: str) -> str:
    for pattern, replacement in patterns:
        if re.fullmatch(pattern, name):
            return re.sub(rf"^{pattern}$", replacement, name)
    return name


def decoding(name: str) -> str:
    """A way of decoding: ``iid_sequences 2 x 3, kseq`` is ``2 sequences of 3, K-SEQ``."""
    before, comma, rule = words(DECODING, name).rpartition(", ")
    names = METHODS["transport"]
    return before + comma + (names[rule].name if rule in names and before else rule)


def byte_distribution(name: str) -> str:
    """A way of reading a text byte by byte: ``all, 2`` is ``beam of 2``."""
    return words(BYTES, name)


FASTER = re.compile(r"(sampled|greedy): (.+) is ([\d.]+) times (.+)")
AGREEMENT = re.compile(
    r"all sequences, (beam of \d+), beside genlm-bytes: at most (\S+) nats apart at any byte, (\S+) on average"
)
READING = re.compile(
    r"threads 1: valid covers read ([\d.]+) times the bytes per second of (genlm-bytes, .+), and ([\d.]+) times "
    r"where the text is known \(that beam is (\S+) nats per byte from the widest\)"
)


def verdict(lines: list[str]) -> list[str]:
    """The lines of a verdict as sentences, each once."""
    return list(dict.fromkeys(map(_sentence, lines)))


def _sentence(line: str) -> str:
    if found := FASTER.fullmatch(line):
        how, fast, times, other = found.groups()
        how = "Sampling" if how == "sampled" else "Greedy"
        return f"{how}: “{decoding(fast)}” makes {times} times the tokens a second of “{decoding(other)}”."
    if found := AGREEMENT.fullmatch(line):
        beam, most, mean = found.groups()
        return (
            f"With a {beam} the two packages differ by at most {most} nats at any byte, by {mean} on average."
        )
    if found := READING.fullmatch(line):
        times, other, known, away = found.groups()
        return (
            f"On one thread, valid covers read {times} times the bytes a second of “{byte_distribution(other)}”, "
            f"and {known} times where the text is known. That beam is {away} nats per byte from the widest."
        )
    return line
