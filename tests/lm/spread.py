"""One of several training processes: ``python -m tests.lm.spread INPUTS FOLDER OUTPUT``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from tests.support import tiny_corpus as tiny
from tokenlab.lm.training import train


def main() -> None:
    inputs, folder, output = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    recipe, texts, tokenizer = tiny.read_inputs(inputs)
    _, run = train(recipe, texts, tokenizer, folder, cpu=True, progress=False, checkpoint_seconds=0.5)
    rank = torch.distributed.get_rank()
    output.with_suffix(f".{rank}.json").write_text(
        json.dumps(
            {"losses": run.losses, "processes": run.processes, "backend": torch.distributed.get_backend()}
        )
    )
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
