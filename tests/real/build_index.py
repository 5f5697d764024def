"""Build SmolLM2's index of bytes in a process of its own: ``python -m tests.real.build_index FOLDER``.

A tiny model stands for the real one, so that what is measured is the tokenizer's. Prints seconds and bytes.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from tokenizers import Tokenizer

from tests.bytelevel.tokenizers import lm_of, tiny_for
from tokenlab.bytelevel import ByteLM


def memory(line: str) -> int:
    """Bytes of this process, ``"VmRSS"`` now or ``"VmHWM"`` at most. What getrusage says begins with the parent's."""
    found = re.search(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1])


def main(folder: str) -> None:
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    model = tiny_for(tokenizer)
    lm_of("gpt2").next_byte_log_probs(b"")  # what is imported on the way
    Path("/proc/self/clear_refs").write_text("5")  # the most is from now on
    before, start = memory("VmRSS"), time.perf_counter()
    byte_lm = ByteLM(model, tokenizer, start_ids=[0])
    built = time.perf_counter()
    byte_lm.next_byte_log_probs("a 1\n's é\u0301 漢".encode())
    asked = time.perf_counter()
    figures = {
        "build_s": built - start,
        "first_answer_s": asked - built,
        "peak_bytes": memory("VmHWM") - before,
    }
    print(json.dumps(figures | {"tokens": len(byte_lm.vocabulary.strings)}))


if __name__ == "__main__":
    main(sys.argv[1])
