"""Whether the reference or a kernel answers a call at one node."""

from __future__ import annotations

from types import ModuleType

from torch import Tensor

from tokenlab.backend import Backend, choose_backend, no_kernel_for

#: How far the kernels go: drafts of a row, and tokens in it (their blocks are held in registers).
KERNEL_LIMITS = {"drafts": 16, "vocab": 1024 * 1024}
#: Rules that only the reference knows.
NO_KERNEL = ("spechub", "optimal")


def kernels_for(
    operation: str,
    backend: Backend,
    target: Tensor,
    draft: Tensor,
    rule: str | None = None,
    tokens: Tensor | None = None,
) -> ModuleType | None:
    """The kernels' module, or None: then the reference answers."""
    limit = no_kernel_for(target, draft, limit=_limit(target.shape[-1], rule, tokens))
    chosen = choose_backend(backend, target.device, operation=operation, no_kernel_because=limit)
    if chosen == "reference":
        return None
    from tokenlab.transport.node import kernels

    return kernels


def _limit(vocab: int, rule: str | None, tokens: Tensor | None) -> str | None:
    """What the kernels cannot do of it."""
    if rule in NO_KERNEL:
        return f"with rule {rule!r}"
    if vocab > KERNEL_LIMITS["vocab"]:
        return f"of {vocab} tokens"
    if tokens is not None and tokens.shape[-1] > KERNEL_LIMITS["drafts"]:
        return f"with {tokens.shape[-1]} drafts"
    return None
