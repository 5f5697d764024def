"""Filling a gap between a prefix and a suffix, where the prefix may end inside a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch

from tokenlab.bytelevel.covers import Contexts, CoverFrontier
from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.sampling import ByteSample, check_sampling, sample_streams
from tokenlab.bytelevel.model.streams import ByteStreams
from tokenlab.bytelevel.tasks.completion import Completion, continue_tokens
from tokenlab.bytelevel.tasks.explain import cover_of_tokens
from tokenlab.bytelevel.tasks.forced import complete_forced, rewind
from tokenlab.bytelevel.tokenizer.text import check_bytes, numbered
from tokenlab.bytelevel.tokenizer.validity import State
from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_choice, check_int

Format = Literal["psm", "spm"]
FORMATS = ("psm", "spm")

Healing = Literal["none", "longest_match"]
HEALING = ("none", "longest_match")


class FimIds(NamedTuple):
    """The special tokens in front of each part, of a model that was trained to fill gaps."""

    prefix: int
    suffix: int
    middle: int


#: How the three tokens are called: StarCoder and the lab models, SantaCoder, Qwen and CodeGemma,
#: Code Llama, DeepSeek Coder.
NAMES = (
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
)


def fill_in_middle(
    byte_lm: ByteLM,
    prefix: bytes | Sequence[bytes],
    suffix: bytes | Sequence[bytes],
    format: Format = "psm",
    *,
    max_new_bytes: int = 256,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    fim_ids: Sequence[int] | None = None,
) -> ByteSample | list[ByteSample]:
    r"""Draw what stands between a prefix, which may end anywhere, and a suffix, byte by byte.

    The model was trained to read special tokens between prefix :math:`P`, the suffix's tokens :math:`S` and
    middle :math:`M`:

    .. math:: \text{PSM:}\quad & \langle pre \rangle\, P\, \langle suf \rangle\, S\, \langle mid \rangle\, M \\
              \text{SPM:}\quad & \langle pre \rangle \langle suf \rangle\, S\, \langle mid \rangle\, P M

    after ``byte_lm.start_ids``. In SPM the prefix is conditioned on like any text. In PSM the longest
    sequence of tokens that spell whole characters and with which all its valid covers begin stays where it
    is, and the bytes after it begin the middle. Either way :math:`PM` is one text, whose tokens may straddle
    the cut. The suffix has no dummy space. The middle ends with a token of ``byte_lm.end_ids``; one of its
    own, as Code Llama's, must be an ``eos_token_id`` of the generation config.

    Parameters
    ----------
    max_new_bytes, temperature, top_p, generator
        As in :meth:`ByteLM.sample`.
    fim_ids
        The special tokens (prefix, suffix, middle). Default: the tokenizer's under a usual name.

    Raises
    ------
    DtypeError, ShapeError, ArgumentError
        As :meth:`ByteLM.sample`, and if there are not as many suffixes as prefixes, a suffix is one
        that the tokenizer never writes, or special tokens are not found.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> suffix = b":\n    pass\n"
    >>> fill_in_middle(byte_lm, b"class Foo(obj", suffix, temperature=0, max_new_bytes=4).text
    b'ect)'

    Reference: Bavarian et al. 2022, arXiv 2207.14255 (formats); Phan, Amos et al. 2024, arXiv 2410.09303 (bytes).
    """
    check_int("max_new_bytes", max_new_bytes, low=0)
    check_sampling(temperature, top_p, generator)
    single = not isinstance(prefix, list | tuple)
    streams = infilling_streams(
        byte_lm, [prefix] if single else prefix, [suffix] if single else suffix, format, fim_ids=fim_ids
    )
    samples = sample_streams(
        streams, max_new_bytes, temperature=temperature, top_p=top_p, generator=generator
    )
    return samples[0] if single else samples


def infilling_streams(
    byte_lm: ByteLM,
    prefixes: Sequence[bytes],
    suffixes: Sequence[bytes],
    format: Format = "psm",
    *,
    fim_ids: Sequence[int] | None = None,
) -> ByteStreams:
    r"""Prefixes that grow by the bytes of the middle; see :func:`fill_in_middle`.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> suffix = b":\n    pass\n"
    >>> streams = infilling_streams(byte_lm, [b"class Foo(obj"] * 2, [suffix] * 2)
    >>> streams.extend([b"ect)", b"ier)"])  # how probable are these middles?
    >>> right, wrong = streams.scores(ended=True)
    >>> right.log_prob > wrong.log_prob
    True
    """
    check_choice("format", format, FORMATS)
    ids = find_fim_ids(byte_lm, fim_ids)
    prefixes, suffixes = _paired(byte_lm, prefixes, suffixes)
    contexts, states, before = [], [], []
    pairs = zip(numbered("prefix", prefixes), numbered("suffix", suffixes), strict=True)
    for (one, prefix), (other, suffix) in pairs:
        kept, state, tail = ([], None, prefix) if format == "spm" else certain_boundary(byte_lm, prefix, one)
        contexts.append(_context(byte_lm, kept, byte_lm.encode(other, suffix, dummy=False), format, ids))
        states.append(state)
        before.append(prefix[: len(prefix) - len(tail)])
    streams = ByteStreams(byte_lm, contexts, states, before=before, end_anywhere=True)
    streams.extend(
        [prefix[len(start) :] for prefix, start in zip(prefixes, before, strict=True)], score=False
    )
    return streams


def fill_in_middle_tokens(
    byte_lm: ByteLM,
    prefix: bytes,
    suffix: bytes,
    format: Format = "psm",
    *,
    healing: Healing = "none",
    max_new_tokens: int = 64,
    temperature: float = 1.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    fim_ids: Sequence[int] | None = None,
) -> Completion:
    r"""Draw what stands between a prefix and a suffix with tokens: the baseline.

    The encoding of the prefix, which ends with a whole character, is fixed. ``"longest_match"`` takes back
    and spells anew its last tokens, as in :func:`~tokenlab.bytelevel.tasks.baselines.prompted_streams`. Other
    arguments and errors are those of :func:`fill_in_middle` and :func:`~tokenlab.bytelevel.complete`.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> byte_lm = ByteLM(*load("lab-draft"))
    >>> for healing in HEALING:
    ...     fill_in_middle_tokens(
    ...         byte_lm, b"def __ini", b"(self):\n    pass\n", "spm", healing=healing, max_new_tokens=1, temperature=0
    ...     ).text
    b'__('
    b't__('
    """
    check_choice("format", format, FORMATS)
    check_choice("healing", healing, HEALING)
    check_int("max_new_tokens", max_new_tokens, low=0)
    check_sampling(temperature, top_p, generator)
    marks = find_fim_ids(byte_lm, fim_ids)
    ((prefix,), (suffix,)) = _paired(byte_lm, [prefix], [suffix])
    kept, forced = byte_lm.encode("prefix", prefix), b""
    if healing == "longest_match":
        kept, forced = rewind(byte_lm, kept)
    context = _context(byte_lm, kept, byte_lm.encode("suffix", suffix, dummy=False), format, marks)
    context += kept if format == "spm" else []
    options = {"temperature": temperature, "top_p": top_p, "generator": generator}
    if forced:
        return complete_forced(
            byte_lm, context, kept, forced, prefix, max_new_tokens, end_anywhere=True, **options
        )
    ids, ended = continue_tokens(byte_lm, context, max_new_tokens, **options)
    return Completion(byte_lm.description.decode(ids), ended, cover_of_tokens(byte_lm, kept), 0.0, ids)


def certain_boundary(
    byte_lm: ByteLM, text: bytes, name: str = "prefix"
) -> tuple[list[int], State | None, bytes]:
    """Tokens with which all valid covers begin, the rules' state after them, and the rest of the text.

    The tokens spell whole characters; without any the state is None.
    """
    rules, vocabulary = byte_lm.validity, byte_lm.vocabulary
    frontier = CoverFrontier(vocabulary, rules, Contexts(rules.start))
    for byte in byte_lm.dummy + text:
        frontier.read(byte)
    if not frontier.is_alive:
        raise ArgumentError(f"{name} {text[-40:]!r} is one that the tokenizer never writes")
    paths = [frontier.contexts.path(open_cover.node) for open_cover in frontier.all_open_covers()]
    shared = paths[0]
    for path in paths[1:]:
        length = min(len(shared), len(path))
        differs = (index for index in range(length) if shared[index] != path[index])
        shared = shared[: next(differs, length)]
    states = [rules.start]
    for token in shared:
        states.append(rules.after(states[-1], token))
    # The model has seen no character of which a part is elsewhere.
    while rules.inside_character(states[-1]):
        states.pop()
    shared = shared[: len(states) - 1]
    if not shared:
        return [], None, text
    spelled = len(byte_lm.description.decode(shared)) - len(byte_lm.dummy)
    return shared, byte_lm.rules.start if byte_lm.tokenization == "all" else states[-1], text[spelled:]


def _context(byte_lm: ByteLM, kept: list[int], after: list[int], format: Format, ids: FimIds) -> list[int]:
    """The tokens in front of the middle, ``after`` those of the suffix; in SPM the prefix comes after them."""
    if format == "psm":
        return [*byte_lm.start_ids, ids.prefix, *kept, ids.suffix, *after, ids.middle]
    return [*byte_lm.start_ids, ids.prefix, ids.suffix, *after, ids.middle]


def find_fim_ids(byte_lm: ByteLM, given: Sequence[int] | None) -> FimIds:
    """The special tokens, given or found by name."""
    if given is not None:
        if isinstance(given, str | bytes) or not isinstance(given, Sequence):
            raise DtypeError(f"fim_ids must be three token ids, found {type(given).__name__}")
        if len(given) != 3:
            raise ShapeError(f"fim_ids has {len(given)} entries, expected 3: prefix, suffix, middle")
        highest = byte_lm.vocabulary.vocab_size - 1
        ids = FimIds(*(check_int("fim_ids", token, low=0, high=highest) for token in given))
    else:
        # Only an added token can have such a name and stand for no bytes.
        named = (tuple(byte_lm.description.added_token(name) for name in names) for names in NAMES)
        found = next((ids for ids in named if None not in ids), None)
        if found is None:
            raise ArgumentError(
                "the tokenizer has no special tokens for infilling under a known name "
                f"({', '.join(names[0] for names in NAMES)}, ...): was the model trained for it? "
                "Then give fim_ids=(prefix, suffix, middle)"
            )
        ids = FimIds(*found)
    if len({*ids}) < 3:
        raise ArgumentError(f"fim_ids are {tuple(ids)}, expected three different tokens")
    for token in ids:
        # Some tokenizers add their markers as tokens that a text may hold.
        if byte_lm.vocabulary.positions[token] >= 0 and token not in byte_lm.description.literals:
            raise ArgumentError(
                f"fim_ids holds {token}, which stands for {byte_lm.description.decode([token])!r}, "
                "expected special tokens"
            )
    return ids


def _paired(
    byte_lm: ByteLM, prefixes: Sequence[bytes], suffixes: Sequence[bytes]
) -> tuple[list[bytes], list[bytes]]:
    if isinstance(suffixes, str | bytes | bytearray | memoryview) or len(prefixes) != len(suffixes):
        found = len(suffixes) if isinstance(suffixes, list | tuple) else type(suffixes).__name__
        raise ShapeError(f"suffix has {found} entries, expected {len(prefixes)}, one for each prefix")
    if not prefixes:
        raise ArgumentError("prefix is an empty list, expected at least one text")
    return (
        [byte_lm.check_text(*named) for named in numbered("prefix", prefixes)],
        [check_bytes(*named) for named in numbered("suffix", suffixes)],
    )
