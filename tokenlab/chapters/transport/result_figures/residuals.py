"""A residual as two layers, cut into the blocks from which a token is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import ShapeError, check_int
from tokenlab.figures import BLUE, GREY, INK, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def residual_layers(
    target: Float[Tensor, " vocab"], draft: Float[Tensor, " vocab"], c: float, share: float, block: int
) -> tuple[Figure, dict]:
    """Bars of ``share (p - c q)_+`` with ``(1 - share) p`` on top of them, by token, and the mass of each block."""
    block = check_int("block", block, low=1)
    if target.shape != draft.shape or target.dim() != 1:
        raise ShapeError(
            f"target has shape {tuple(target.shape)} and draft {tuple(draft.shape)}, expected two equal rows"
        )
    above = (share * (target - c * draft).clamp(min=0)).tolist()
    rest = ((1 - share) * target).tolist()
    weights = [low + high for low, high in zip(above, rest, strict=True)]
    blocks = [sum(weights[start : start + block]) for start in range(0, len(weights), block)]

    figure, axes = new_figure(6.4, 2.7)
    tokens = range(len(weights))
    axes.bar(tokens, above, 0.7, color=BLUE, label="s(p − cq)₊")
    axes.bar(tokens, rest, 0.7, bottom=above, color=ORANGE, label="(1 − s)p")
    top = max(weights)
    for number, mass in enumerate(blocks):
        left, right = number * block - 0.45, min((number + 1) * block, len(weights)) - 0.55
        axes.plot([left, right], [1.22 * top] * 2, color=GREY, linewidth=2)
        axes.text(
            (left + right) / 2, 1.26 * top, f"block {number}: {mass:.2f}", ha="center", va="bottom", color=INK
        )
    axes.set_ylim(0, 1.5 * top)
    axes.set_xticks(list(tokens))
    # Layers are too thin for their names; above the block of the smaller bars there is room.
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.82), frameon=False, labelcolor=INK, reverse=True)
    axes.set_xlabel("token")
    axes.set_ylabel("weight w")
    alt = f"Weights for c = {c:g} and s = {share:g}. " + "; ".join(
        f"token {token}: {above[token]:.4f} and {rest[token]:.4f}" for token in tokens
    )
    alt += ". " + " ".join(f"Block {number} has {mass:.3f}." for number, mass in enumerate(blocks))
    return figure, {"above": above, "rest": rest, "blocks": blocks, "alt": alt}
