"""Whether a tokenizer is the model's own, as far as the model's files can say."""

from __future__ import annotations

import json
from pathlib import Path

from tokenlab.errors import ArgumentError

#: The file that holds a fast tokenizer.
TOKENIZER_FILE = "tokenizer.json"


def check_own_tokenizer(model, tokenizer, description: str) -> None:
    """Refuse a tokenizer most of whose ids stand for other pieces than beside the model's weights.

    ``description``: the tokenizer as JSON. One that was extended or changed in part passes, and so does any where
    the model was made in memory, or no tokenizer lies beside it.
    """
    source = model.config.name_or_path
    if not source or getattr(tokenizer, "name_or_path", None) == source:
        return
    path = _file_beside(source)
    if path is None:
        return
    own, given = _pieces(path.read_text(encoding="utf-8")), _pieces(description)
    common = own.keys() & given.keys()
    others = sum(own[token] != given[token] for token in common)
    if 2 * others > len(common):
        raise ArgumentError(
            f"tokenizer is not the model's: {others} of {len(common)} ids stand for other pieces in {path}; expected "
            "the tokenizer that the model was trained with; where it was trained anew for this one, set "
            'model.config.name_or_path = ""'
        )


def _file_beside(source: str) -> Path | None:
    """The file in a local folder, or in what was fetched from the Hub; nothing is fetched here."""
    if Path(source).is_dir():
        path = Path(source) / TOKENIZER_FILE
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(source, TOKENIZER_FILE)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _pieces(description: str) -> dict[int, str]:
    """The model's vocabulary by id, of any kind of tokenizer that has one of single pieces."""
    try:
        vocab = json.loads(description)["model"]["vocab"]
    except (ValueError, KeyError, TypeError):
        return {}
    names = (
        vocab.items() if isinstance(vocab, dict) else ((entry[0], token) for token, entry in enumerate(vocab))
    )
    return {token: piece for piece, token in names}
