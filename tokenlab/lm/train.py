"""Train a lab model from nothing: ``python -m tokenlab.lm.train lab-target``.

The model goes to ``runs/lab-target/model`` of the current folder, its checkpoints beside it; the shipped one
is made by ``--output tokenlab/assets/models/lab-target``. The same command resumes a killed run, with the same
loss curve. On several GPUs or hosts, ``accelerate
launch -m`` takes the place of ``python -m``; in several processes on one CPU, ``torchrun --nproc_per_node 2
-m``, with ``--cpu`` (there ``accelerate launch`` needs MPI).
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
from collections.abc import Sequence
from pathlib import Path

from tokenlab.commands import RUNS, add_output, check_free, command_parser, run_command
from tokenlab.errors import CorpusError, check_choice, check_installed
from tokenlab.lm.recipes import RECIPES


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: check the corpus, train, save, evaluate."""
    options = _parse(arguments)

    folder = RUNS / options.name
    output = options.output or folder / "model"
    check_free([output], overwrite=options.overwrite)
    check_installed("accelerate", "train")
    from tokenlab.lm import corpus, evaluate, load
    from tokenlab.lm.checkpoints import written_whole
    from tokenlab.lm.tokenizers import train_tokenizer
    from tokenlab.lm.training import save_model, train

    manifest = corpus.load_manifest()
    difference = corpus.compare_library(manifest, options.library)
    if difference:
        message = (
            f"{options.library or corpus.library_root()}, read by Python {platform.python_version()}, is "
            f"not the library of the manifest (Python {manifest['python']}):\n{difference.summary()}"
        )
        if not options.accept_differences:
            raise CorpusError(message + "\ntrain on it all the same with --accept-differences")
        print(message)
        manifest = corpus.build_manifest(options.library)
    documents = corpus.read_library(options.library, manifest)

    recipe = RECIPES[options.name]
    if options.steps is not None:
        recipe = dataclasses.replace(recipe, steps=options.steps)
    if options.seed is not None:
        recipe = dataclasses.replace(recipe, seed=options.seed)
    if options.teacher is not None:
        recipe = dataclasses.replace(recipe, teacher=options.teacher)
    teacher = None
    if recipe.teacher:
        teacher, tokenizer = load(recipe.teacher)
    else:
        tokenizer = train_tokenizer((d.text for d in documents if not d.heldout), recipe.tokenizer)

    model, run = train(
        recipe,
        documents,
        tokenizer,
        options.checkpoints or folder,
        teacher=teacher,
        micro_batch_size=options.micro_batch,
        compile_model=options.compile,
        cpu=options.cpu,
    )
    from accelerate import PartialState

    if PartialState().is_main_process:
        with written_whole(output) as part:
            save_model(model, tokenizer, part)
            evaluate.write_metrics(part, recipe, run, manifest, documents, teacher=recipe.teacher)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("tokenlab.lm.train", __doc__)
    parser.add_argument("name", help=f"which lab model: {', '.join(RECIPES)}")
    parser.add_argument("--steps", type=int, help="optimizer steps (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="of weights and batches (default: the recipe's)")
    add_output(parser, None, "folder for the trained model (default: runs/NAME/model)")
    parser.add_argument("--checkpoints", type=Path, help="folder of the run (default: runs/NAME)")
    parser.add_argument("--library", type=Path, help="Python library to read (default: this one's)")
    parser.add_argument("--teacher", help="model to distil from (default: the recipe's)")
    parser.add_argument("--micro-batch", type=int, help="rows in one forward pass (default: all)")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--cpu", action="store_true", help="stay on the CPU")
    parser.add_argument(
        "--accept-differences", action="store_true", help="train on another library than the manifest's"
    )
    options = parser.parse_args(arguments)
    check_choice("name", options.name, tuple(RECIPES))
    return options


if __name__ == "__main__":
    run_command(main)
