"""How good a lab model is: bits per byte, agreement of two models, samples, latency."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tokenlab.errors import ArgumentError, check_int
from tokenlab.lm import baselines, corpus
from tokenlab.lm.forward import cache_argument, run_model
from tokenlab.lm.loading import METRICS_FILE, WEIGHTS_FILE, load
from tokenlab.lm.provenance import file_digest, versions
from tokenlab.lm.recipes import RECIPES

#: Characters of the library's held-out files that are scored, for each kind.
LIBRARY_CHARACTERS = 60_000
CURVE_POINTS = 200


class Agreement(NamedTuple):
    """How alike two models of one tokenizer are: means over a text's positions."""

    greedy: float
    overlap: float
    positions: int


@torch.no_grad()
def bits_per_byte(model, tokenizer, text: str, *, context: int = 512, stride: int = 256) -> float:
    """Bits that the model needs for a text after ``<bos>``, per UTF-8 byte.

    Each token is predicted once. Windows of ``context`` tokens overlap, so that after the first a token
    sees ``context - stride`` or more before it. The end of the text is not coded.
    """
    ids = _ids(tokenizer, text).to(model.device)
    nats = 0.0
    for known, window in _windows(ids, context, stride):
        log_probs = _log_probs(model, window[None, :-1])[0]
        scored = log_probs.gather(1, window[1:, None])[known - 1 :]
        nats -= scored.double().sum().item()
    return nats / math.log(2) / len(text.encode())


@torch.no_grad()
def agreement(first, second, tokenizer, text: str, *, context: int = 512, stride: int = 256) -> Agreement:
    """Share of equal greedy tokens, and mean of sum(min(p, q)): speculative sampling's acceptance rate."""
    ids = _ids(tokenizer, text).to(first.device)
    equal = overlap = positions = 0.0
    for known, window in _windows(ids, context, stride):
        p = _log_probs(first, window[None, :-1])[0, known - 1 :].exp()
        q = _log_probs(second, window[None, :-1])[0, known - 1 :].exp()
        equal += (p.argmax(-1) == q.argmax(-1)).sum().item()
        overlap += torch.minimum(p, q).sum().item()
        positions += len(p)
    return Agreement(equal / positions, overlap / positions, int(positions))


def _ids(tokenizer, text: str) -> Tensor:
    """Tokens of a text after ``<bos>``, which not every tokenizer puts there."""
    ids = tokenizer(text, verbose=False)["input_ids"]
    if tokenizer.bos_token_id is None:
        raise ArgumentError("tokenizer has no bos token, so the text's first token cannot be scored")
    if ids[:1] != [tokenizer.bos_token_id]:
        ids = [tokenizer.bos_token_id, *ids]
    if len(ids) < 2:
        raise ArgumentError("text is empty, expected at least one token")
    return torch.tensor(ids)


def _log_probs(model, ids: Tensor) -> Tensor:
    return run_model(model, ids).logits.log_softmax(-1)


def _windows(ids: Tensor, context: int, stride: int):
    """(leading tokens not to score, window): all but the first are scored once."""
    check_int("context", context, low=2)
    check_int("stride", stride, low=1, high=context - 1)
    known, start = 1, 0
    while known < len(ids):
        window = ids[start : start + context]
        yield known - start, window
        known = start + len(window)
        start += stride


@torch.no_grad()
def forward_milliseconds(model, new_tokens: int, *, cached: int = 256, repeats: int = 50) -> float:
    """Median time of one forward pass of ``new_tokens`` after ``cached`` tokens."""
    vocab = model.config.vocab_size
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(vocab, (1, cached + new_tokens), generator=generator).to(model.device)
    # The bare forward is what is timed.
    cache = run_model(model, ids[:, :cached], keep=1, use_cache=True).cache
    after = {cache_argument(model): cache}
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        model(input_ids=ids[:, cached:], use_cache=True, **after)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
        cache.crop(-new_tokens)
    return 1e3 * sorted(times)[len(times) // 2]


@torch.no_grad()
def samples(model, tokenizer, *, new_tokens: int = 64) -> list[dict]:
    """Greedy continuations of every frozen prompt."""
    found = []
    for prompt in corpus.prompts():
        ids = tokenizer(prompt["text"], return_tensors="pt").to(model.device)
        output = model.generate(
            input_ids=ids.input_ids,
            attention_mask=ids.attention_mask,
            do_sample=False,
            max_new_tokens=new_tokens,
        )
        # Decoded with the prompt: SentencePiece drops a space in front of what it decodes.
        before = tokenizer.decode(ids.input_ids[0], skip_special_tokens=True)
        text = tokenizer.decode(output[0], skip_special_tokens=True)[len(before) :]
        found.append({"id": prompt["id"], "prompt": prompt["text"], "continuation": text})
    return found


def judged_texts(documents: Sequence[corpus.Document]) -> dict[str, str]:
    """Texts to judge models on: ours, and held-out ones of the library, cut to size."""
    texts = {f"heldout-{kind}": corpus.heldout_text(kind) for kind in corpus.KINDS}
    for kind in corpus.KINDS:
        library = "".join(d.text for d in documents if d.heldout and d.kind == kind)
        if library:
            texts[f"library-{kind}"] = library[:LIBRARY_CHARACTERS]
    return texts


def compressor_table(documents: Sequence[corpus.Document]) -> dict[str, dict[str, float]]:
    """Bits per byte of judged texts: gzip, xz, xz after the training text, Witten-Bell."""
    training = "".join(d.text for d in documents if not d.heldout).encode()
    witten_bell = baselines.WittenBell(training, order=5)
    table = {}
    for name, text in judged_texts(documents).items():
        data = text.encode()
        table[name] = {
            "gzip -9": baselines.gzip_bits_per_byte(data),
            "xz -9": baselines.xz_bits_per_byte(data),
            "xz -9 after training text": baselines.xz_bits_per_byte(data, training),
            "Witten-Bell, 5 bytes": witten_bell.bits_per_byte(data),
        }
    return table


def write_metrics(
    folder: Path, recipe, run, manifest: dict, documents: Sequence[corpus.Document], *, teacher: str | None
) -> dict:
    """Measure a model as it lies on disk, and write ``metrics.json`` beside it."""
    model, tokenizer = load(str(folder.resolve()))
    texts = judged_texts(documents)
    compressors = compressor_table(documents)
    stride = max(len(run.losses) // CURVE_POINTS, 1)
    metrics = {
        "name": recipe.name,
        "command": _command(recipe),
        "recipe": dataclasses.asdict(recipe),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tokens": run.step * recipe.batch_size * recipe.context,
        "seconds": round(run.seconds, 1),
        "processes": run.processes,
        "device": run.device,
        "versions": versions("torch", "transformers", "tokenizers", "accelerate"),
        "weights_sha256": file_digest(folder / WEIGHTS_FILE),
        "corpus": {
            "python": manifest["python"],
            "files": len(manifest["files"]),
            "training_bytes": sum(len(d.text.encode()) for d in documents if not d.heldout),
            "text_sha256": run.corpus,
        },
        "curve": [[step, round(run.losses[step], 4)] for step in range(0, run.step, stride)],
        "final_loss": round(sum(run.losses[-20:]) / len(run.losses[-20:]), 4),
        "bits_per_byte": {
            name: {"bytes": len(text.encode()), recipe.name: bits_per_byte(model, tokenizer, text)}
            | compressors[name]
            for name, text in texts.items()
        },
        "forward_milliseconds": _forward_times(model),
        "samples": samples(model, tokenizer),
    }
    if teacher:
        target, _ = load(teacher)
        metrics["agreement_with"] = teacher
        metrics["agreement"] = {
            name: agreement(target, model, tokenizer, text)._asdict() for name, text in texts.items()
        }
        metrics["teacher_forward_milliseconds"] = _forward_times(target)
    (folder / METRICS_FILE).write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    return metrics


def _forward_times(model) -> dict[str, float]:
    """Of one token, and of a short draft."""
    return {str(n): round(forward_milliseconds(model, n), 2) for n in (1, 5)}


def _command(recipe) -> str:
    """The command that trains this recipe, with what differs from ``RECIPES``."""
    named = RECIPES.get(recipe.name, recipe)
    options = [
        f" --{option} {getattr(recipe, option)}"
        for option in ("steps", "seed", "teacher")
        if getattr(recipe, option) != getattr(named, option)
    ]
    return f"python -m tokenlab.lm.train {recipe.name}" + "".join(options)
