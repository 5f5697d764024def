"""How a lab model is trained: model, optimizers, losses, and the loop that can be killed and resumed.

The command is ``train``.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tokenlab.errors import ArgumentError, check_installed, check_int
from tokenlab.lm import corpus
from tokenlab.lm.checkpoints import Run, resume, save_checkpoint
from tokenlab.lm.data import PackedRows
from tokenlab.lm.recipes import Recipe
from tokenlab.lm.tokenizers import FIM_TOKENS


def build_model(recipe: Recipe, tokenizer):
    """A Llama of the recipe's size, with random weights and tied embeddings."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.feed_forward,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def start_from_teacher(model, teacher) -> None:
    """Copy embeddings, first layers and final norm into a smaller model."""
    student_state, teacher_state = model.state_dict(), teacher.state_dict()
    for name, value in student_state.items():
        if name not in teacher_state or teacher_state[name].shape != value.shape:
            raise ArgumentError(f"teacher has no {name} of shape {tuple(value.shape)} to start from")
    model.load_state_dict({name: teacher_state[name] for name in student_state})


def build_optimizers(model, recipe: Recipe) -> list[torch.optim.Optimizer]:
    inner, rest = [], []
    for name, parameter in model.named_parameters():
        (inner if parameter.dim() == 2 and ".layers." in name else rest).append(parameter)
    return [
        torch.optim.Muon(inner, lr=recipe.learning_rate, momentum=0.95, weight_decay=0.02),
        torch.optim.AdamW(rest, lr=recipe.embedding_learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def learning_rate_factor(step: int, recipe: Recipe) -> float:
    """Trapezoid, as :class:`Recipe` says."""
    warmup = (step + 1) / max(recipe.warmup_steps, 1)
    decay = (recipe.steps - step) / max(recipe.decay_share * recipe.steps, 1)
    return min(1.0, warmup, decay)


def next_token_loss(model, rows: Tensor) -> Tensor:
    """Mean negative log-likelihood of all tokens but the first of each row, in nats."""
    logits = model(input_ids=rows, use_cache=False).logits
    return F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), rows[:, 1:].flatten())


def distillation_loss(model, teacher, rows: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence from the teacher to the model, in nats."""
    with torch.no_grad():
        target = teacher(input_ids=rows, use_cache=False).logits.float().log_softmax(-1)
    logits = model(input_ids=rows, use_cache=False).logits.float().log_softmax(-1)
    return F.kl_div(logits.flatten(0, 1), target.flatten(0, 1), log_target=True, reduction="batchmean")


def train(
    recipe: Recipe,
    documents: Sequence[corpus.Document],
    tokenizer,
    checkpoints: Path,
    *,
    teacher=None,
    micro_batch_size: int | None = None,
    compile_model: bool = False,
    checkpoint_seconds: float = 60.0,
    cpu: bool = False,
    stop_after: int | None = None,
    progress: bool = True,
) -> tuple[torch.nn.Module, Run]:
    """Train on the documents that are not held out, resuming the run in ``checkpoints``.

    Returns the model, unwrapped, and the run with the loss of every step.

    Parameters
    ----------
    teacher
        Distil from this model instead of learning from the text's tokens.
    micro_batch_size
        Rows in one forward pass; divides the rows of a process.
    stop_after
        Stop after this step, with a checkpoint; the schedule stays the recipe's.

    Raises
    ------
    CheckpointError, ArgumentError
        If the run has another recipe or corpus; if rows cannot be shared evenly, or the teacher does not
        fit.
    """
    check_installed("accelerate", "train")
    from accelerate import Accelerator

    accelerator = Accelerator(
        cpu=cpu, mixed_precision="bf16" if torch.cuda.is_available() and not cpu else "no"
    )
    world, rank = accelerator.num_processes, accelerator.process_index
    check_int("steps", recipe.steps, low=1)
    check_int("batch_size", recipe.batch_size, low=1)
    if recipe.batch_size % world:
        raise ArgumentError(f"batch_size is {recipe.batch_size}, not divisible by {world} processes")
    own_rows = recipe.batch_size // world
    micro = own_rows if micro_batch_size is None else micro_batch_size
    check_int("micro_batch_size", micro, low=1, high=own_rows)
    if own_rows % micro:
        raise ArgumentError(f"micro_batch_size is {micro}, which does not divide {own_rows} rows")
    last = recipe.steps if stop_after is None else check_int("stop_after", stop_after, low=1)
    last = min(recipe.steps, last)

    rows = packed_rows(recipe, documents, tokenizer)
    model = build_model(recipe, tokenizer)
    if teacher is not None:
        start_from_teacher(model, teacher)
        teacher = teacher.to(accelerator.device).eval()
    if compile_model:
        model.compile()
    model, *optimizers = accelerator.prepare(model, *build_optimizers(model, recipe))
    fresh = Run(
        dataclasses.asdict(recipe),
        corpus.fingerprint(documents),
        processes=world,
        device=_device(accelerator),
    )
    run = resume(accelerator, checkpoints, fresh)

    def loss_of(batch: Tensor) -> Tensor:
        if teacher is None:
            return next_token_loss(model, batch)
        return distillation_loss(model, teacher, batch)

    model.train()
    saved = time.monotonic()
    started = saved - run.seconds
    bar = _progress_bar(recipe, run.step, last, enabled=progress and accelerator.is_main_process)
    with bar:
        while run.step < last:
            factor = learning_rate_factor(run.step, recipe)
            for optimizer, rate in zip(
                optimizers, (recipe.learning_rate, recipe.embedding_learning_rate), strict=True
            ):
                for group in optimizer.param_groups:
                    group["lr"] = rate * factor
            batch = rows.batch(run.step)[rank * own_rows : (rank + 1) * own_rows]
            loss = _accumulate(accelerator, model, loss_of, batch.to(accelerator.device).split(micro))
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            run.losses.append(accelerator.reduce(loss, "mean").item())
            run.step += 1
            run.seconds = time.monotonic() - started
            bar.update()
            bar.set_postfix(loss=f"{run.losses[-1]:.4f}")
            # Rank 0 decides, so that all processes save at the same step.
            due = torch.tensor(time.monotonic() - saved >= checkpoint_seconds, device=accelerator.device)
            if run.step == last or _from_main(accelerator, due):
                save_checkpoint(accelerator, checkpoints, run)
                saved = time.monotonic()
    return accelerator.unwrap_model(model), run


def _accumulate(accelerator, model, loss_of: Callable, micro_batches: Sequence[Tensor]) -> Tensor:
    """Backward through all micro-batches; gradients are exchanged at the last only."""
    total = torch.zeros((), device=accelerator.device)
    for index, batch in enumerate(micro_batches):
        final = index == len(micro_batches) - 1
        with contextlib.nullcontext() if final else accelerator.no_sync(model):
            loss = loss_of(batch) / len(micro_batches)
            accelerator.backward(loss)
        total += loss.detach()
    return total


def _device(accelerator) -> str:
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    return f"{accelerator.device.type} ({platform.machine()})"


def _from_main(accelerator, flag: Tensor) -> bool:
    from accelerate.utils import broadcast

    return bool(broadcast(flag.int()).item()) if accelerator.num_processes > 1 else bool(flag)


def _progress_bar(recipe: Recipe, step: int, last: int, *, enabled: bool):
    from tqdm.auto import tqdm

    return tqdm(initial=step, total=last, desc=recipe.name, unit="step", disable=not enabled)


def packed_rows(recipe: Recipe, documents: Sequence[corpus.Document], tokenizer) -> PackedRows:
    """The rows that a recipe trains on; held-out documents are left aside."""

    def encode(kind: corpus.Kind) -> list[Tensor]:
        texts = [d.text for d in documents if d.kind == kind and not d.heldout]
        if not texts:
            return []
        encodings = tokenizer(texts, verbose=False)["input_ids"]
        return [torch.tensor([*ids, tokenizer.eos_token_id]) for ids in encodings]

    markers = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return PackedRows(
        encode("source"),
        encode("english"),
        row_length=recipe.context,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        english_repeats=recipe.english_repeats,
        fim_rate=recipe.fim_rate,
        fim_ids=(*markers, *tokenizer.convert_tokens_to_ids(FIM_TOKENS)),
    )


def save_model(model, tokenizer, folder: Path) -> None:
    """Write weights in half precision (safetensors), configuration and tokenizer."""
    # A copy: the caller goes on with full precision, and transformers writes the copy's dtype.
    halved = type(model)(copy.deepcopy(model.config)).to(torch.float16)
    halved.load_state_dict(model.state_dict())
    halved.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
