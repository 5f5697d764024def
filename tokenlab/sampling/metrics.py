"""Measures of a text that need no model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tokenlab.errors import DtypeError, check_int


def repetition(token_ids: Sequence | Tensor, n: int) -> float:
    r"""Share of n-grams that occurred before in the same text; zero where there is no n-gram.

    .. math::

        \text{rep-}n = 1 - \frac{\sum_i |D_n(i)|}{\sum_i |G_n(i)|}

    where :math:`G_n(i)` are the n-grams of text i and :math:`D_n(i)` the distinct ones among them. One
    text, or several, which are pooled. Tokens may be anything hashable, words as well.

    Raises
    ------
    ArgumentError, DtypeError
        If ``n`` is below one, texts and single tokens are mixed, or there is no sequence.

    Examples
    --------
    >>> repetition("a b c a b c a b c".split(), 2)
    0.625

    Reference: Welleck et al. 2019, arXiv 1908.04319 (seq-rep-n); pooled as in
    Su et al. 2022, arXiv 2202.06417 (whose released code leaves out each text's last n-gram).
    """
    check_int("n", n, low=1)
    if isinstance(token_ids, str) or not isinstance(token_ids, (Sequence, Tensor)):
        raise DtypeError(f"token_ids must be a sequence of tokens, found {type(token_ids).__name__}")
    items = [item.tolist() if isinstance(item, Tensor) else item for item in token_ids]
    nested = [isinstance(item, (list, tuple)) for item in items]
    if any(nested) and not all(nested):
        raise DtypeError("token_ids mixes texts and single tokens, expected one or the other")
    texts = items if any(nested) else [items]
    ngrams = [[tuple(text[i : i + n]) for i in range(len(text) - n + 1)] for text in texts]
    total = sum(len(grams) for grams in ngrams)
    return 1 - sum(len(set(grams)) for grams in ngrams) / total if total else 0.0
