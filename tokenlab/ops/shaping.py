"""Temperature, top-k and top-p on logits, as transformers does them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import ArgumentError, check_int, check_logits, check_real


def shape_logits(
    logits: Float[Tensor, "*batch vocab"],
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    validate: bool = True,
) -> Float[Tensor, "*batch vocab"]:
    r"""Divide by the temperature, then keep the k largest, then the most probable up to a mass p.

    Of what is left after top-k, with :math:`p = \mathrm{softmax}(x / T)` ascending, top-p drops

    .. math::
        p_{(1)} + \dots + p_{(i)} \le 1 - \mathrm{top\_p}

    but never the last token. Logits equal to the k-th largest are all kept; of equal ones at the
    border of top-p the higher ids. Dropped logits are -inf. Probabilities are added in float32 at
    least; transformers adds those of half precision as they are, and keeps a few tokens more or less.

    Raises
    ------
    ArgumentError, ShapeError, DtypeError, EmptySupportError
        If the temperature is not positive, ``top_k`` not 1 to ``vocab``, ``top_p`` not in (0, 1], a
        logit NaN or +inf, or a row -inf everywhere.

    Examples
    --------
    >>> logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    >>> shape_logits(logits, top_k=3, top_p=0.8).softmax(-1)
    tensor([0.0000, 0.6667, 0.0000, 0.3333])
    >>> shape_logits(logits, temperature=0.5).softmax(-1)
    tensor([0.0290, 0.7246, 0.0652, 0.1812])

    Reference: Fan et al. 2018, arXiv 1805.04833; Holtzman et al. 2019, arXiv 1904.09751, equation 2.
    """
    check_logits("logits", logits, validate=validate)
    temperature = check_real("temperature", temperature, low=0, include_low=False)
    top_p = check_real("top_p", top_p, low=0, high=1, include_low=False)
    logits = logits / temperature
    if validate and not bool(logits.amax(-1).isfinite().all()):
        raise ArgumentError(
            f"temperature is {temperature:g}: divided by it, a logit leaves {str(logits.dtype)[6:]}; the limit "
            "is the most probable token, logits.argmax(-1)"
        )
    if top_k is not None:
        top_k = check_int("top_k", top_k, low=1, high=logits.shape[-1])
        smallest = logits.topk(top_k).values[..., -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    if top_p < 1:
        ascending, ids = logits.sort(stable=True)
        precise = torch.promote_types(logits.dtype, torch.float32)
        dropped = ascending.softmax(-1, dtype=precise).cumsum(-1) <= 1 - top_p
        dropped[..., -1] = False
        logits = logits.masked_fill(dropped.scatter(-1, ids, dropped), -torch.inf)
    return logits
