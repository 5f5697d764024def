"""The distribution over valid covers, beside beams over all tokenizations of a text."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.chapters.results import rounded, tracked
from tokenlab.errors import check_choice
from tokenlab.lm.corpus import KINDS, heldout_files

#: Widths of the beams.
WIDTHS = (1, 2, 5, 16)

#: Files of each kind, and how much of each is read.
TOKENIZATION_FILES = 2
TOKENIZATION_BYTES = 96


def measure_tokenization(byte_lm: ByteLM, text: bytes) -> dict:
    """What a distribution says about a text, and what that costs.

    Gives ``log_prob`` and ``cover_log_prob`` in nats (:class:`~tokenlab.bytelevel.model.scores.ByteScore`);
    means over bytes of ``pruned``, ``leak``, ``open_covers``; ``tokens`` read; processor ``seconds``. Or only
    ``lost_at``: the position of a byte with which no cover of a beam goes on.
    """
    started = time.process_time()
    streams, open_covers = byte_lm.streams([b""]), 0
    for position, byte in enumerate(text):
        if streams.log_probs[0, byte] == -math.inf:
            return {"lost_at": position}
        streams.push([byte])
        open_covers += len(streams.states[0].frontier.all_open_covers())
    (score,) = streams.scores()
    return {
        "log_prob": score.log_prob,
        "cover_log_prob": score.cover_log_prob,
        "pruned": float(score.pruned.mean()),
        "leak": float(score.leaks.mean()),
        "tokens": streams.num_tokens,
        "open_covers": open_covers / len(text),
        "seconds": time.process_time() - started,
    }


def run(models: Mapping[str, tuple], *, progress: bool = True) -> dict:
    """The whole experiment, on the beginnings of a few files.

    Records ``files``, ``bytes``, ``distributions`` (see :func:`measure_tokenization`; by file).
    """
    texts = {
        f"{kind}/{name}": text.encode()[:TOKENIZATION_BYTES]
        for kind in KINDS
        for name, text in heldout_files(kind)[:TOKENIZATION_FILES]
    }
    distributions = {"valid": ByteLM(*models["target"])} | {
        f"all, {width}": ByteLM(*models["target"], "all", beam_width=width) for width in WIDTHS
    }
    # What is built once would otherwise be the first text's cost.
    for byte_lm in distributions.values():
        byte_lm.next_byte_log_probs(b"def __ini")
    found = {
        name: [rounded(measure_tokenization(byte_lm, text)) for text in texts.values()]
        for name, byte_lm in tracked(distributions.items(), "distribution", progress)
    }
    return {"files": list(texts), "bytes": TOKENIZATION_BYTES, "distributions": found}


def distribution_means(results: Mapping, distribution: str) -> dict[str, float]:
    """Recorded figures of a distribution, for a byte: nats above valid covers, tokens, open covers, speed.

    ``conditionals`` compares the distributions of the next byte, ``covers`` the probabilities of the text.
    All are means over the ``read`` files that the distribution can read.
    """
    check_choice("distribution", distribution, tuple(results["distributions"]))
    pairs = zip(results["distributions"][distribution], results["distributions"]["valid"], strict=True)
    pairs = [pair for pair in pairs if "lost_at" not in pair[0]]
    if not pairs:
        return {"read": 0}
    rows, base = zip(*pairs, strict=True)
    total = results["bytes"] * len(rows)

    def more(name: str) -> float:
        return sum(a[name] - b[name] for a, b in zip(rows, base, strict=True)) / total

    return {
        "read": len(rows),
        "conditionals": more("log_prob"),
        "covers": more("cover_log_prob"),
        "pruned": sum(row["pruned"] for row in rows) / len(rows),
        "tokens": sum(row["tokens"] for row in rows) / total,
        "open_covers": sum(row["open_covers"] for row in rows) / len(rows),
        "bytes_per_second": total / sum(row["seconds"] for row in rows),
    }
