"""What both models say at the same positions of the held-out files, and at which settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.errors import ArgumentError, ShapeError, check_choice
from tokenlab.lm.corpus import KINDS, heldout_files
from tokenlab.lm.forward import run_model
from tokenlab.ops import shape_logits


class Setting(NamedTuple):
    """What both models' logits go through before they are compared."""

    temperature: float = 1.0
    top_p: float | None = None


#: From cold to hot, and the truncation that is most in use.
SETTINGS: dict[str, Setting] = {
    **{f"T = {t:g}": Setting(t) for t in (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)},
    "T = 1, top-p 0.9": Setting(1.0, 0.9),
}

#: Of these, the two at which texts are continued.
TEXT_SETTINGS = {label: SETTINGS[label] for label in ("T = 0.5", "T = 1")}

SEED = 0

#: Positions of each file: after enough text to know where one is, and inside the context.
POSITIONS = tuple(range(40, 400, 24))


class Steps(NamedTuple):
    """Logits of both models at the same positions, in float64, on the CPU."""

    files: list[str]
    target_logits: Float64[Tensor, "files positions vocab"]
    draft_logits: Float64[Tensor, "files positions vocab"]


def file_names() -> list[str]:
    """The held-out files, as ``kind/name``."""
    return [f"{kind}/{name}" for kind in KINDS for name, _ in heldout_files(kind)]


@torch.no_grad()
def read_steps(
    target, draft, tokenizer, files: Sequence[str] | None = None, positions: Sequence[int] = POSITIONS
) -> Steps:
    """What both models say after some tokens of the held-out files; positions rise.

    ArgumentError: if a file is unknown, or too short. ShapeError: if the vocabularies differ.
    """
    texts = {f"{kind}/{name}": text for kind in KINDS for name, text in heldout_files(kind)}
    files = list(texts) if files is None else list(files)
    end = max(positions) + 1
    rows: dict[str, list[Tensor]] = {"target": [], "draft": []}
    for file in files:
        check_choice("file", file, tuple(texts))
        ids = tokenizer(texts[file], return_tensors="pt", truncation=True, max_length=end).input_ids
        if ids.shape[1] < end:
            raise ArgumentError(f"positions reach {end - 1}, but {file} has {ids.shape[1]} tokens")
        for role, model in (("target", target), ("draft", draft)):
            logits = run_model(model, ids.to(model.device), keep=list(positions), name=role).logits[0]
            rows[role].append(logits.double().cpu())
    if rows["target"][0].shape != rows["draft"][0].shape:
        sizes = [row[0].shape[-1] for row in rows.values()]
        raise ShapeError(
            f"target has {sizes[0]} tokens, draft has {sizes[1]}: both must share one vocabulary"
        )
    return Steps(files, torch.stack(rows["target"]), torch.stack(rows["draft"]))


def setting_probs(
    logits: Float64[Tensor, "*batch vocab"], setting: Setting
) -> Float64[Tensor, "*batch vocab"]:
    """Probabilities after temperature and truncation, as transformers' processors make them."""
    top_p = 1.0 if setting.top_p is None else setting.top_p
    return shape_logits(logits, temperature=setting.temperature, top_p=top_p).softmax(-1)
