"""Filling a gap: the distribution of the middle against enumeration, and what is refused."""

from __future__ import annotations

import pytest
import torch

from tests.bytelevel.brute import BOS, KINDS, MIDDLE, PREFIX, SUFFIX, Brute, texts, tiny_lm, tokenizer_of
from tests.support.planting import plant
from tests.support.tiny_models import tiny_model
from tokenlab.bytelevel import ByteLM, ByteStreams, FimIds, fill_in_middle
from tokenlab.bytelevel.tasks import infilling
from tokenlab.bytelevel.tasks.forced import rewind
from tokenlab.bytelevel.tasks.infilling import (
    FORMATS,
    HEALING,
    NAMES,
    certain_boundary,
    fill_in_middle_tokens,
    find_fim_ids,
    infilling_streams,
)
from tokenlab.errors import ArgumentError, DtypeError, ShapeError
from tokenlab.lm import load

PREFIXES = (b"", b"b", b"ab", b"b a", b"a  ")


SUFFIXES = (b"", b" ab")


MIDDLES = (b"", b"b", b"a a")


@pytest.fixture(scope="module")
def lab():
    return ByteLM(*load("lab-draft"))


def boundary(byte_lm, prefix: bytes) -> tuple[int, ...]:
    """The tokens with which all contexts of the prefix's covers begin, by enumeration."""
    brute = Brute(byte_lm, [BOS])
    spelled = byte_lm.dummy + prefix
    covers = brute.covers(prefix)
    # A cover that ends with the prefix is a context itself.
    contexts = [ids if byte_lm.description.decode(ids) == spelled else ids[:-1] for ids in covers]
    length = 0
    while all(len(ids) > length and ids[length] == contexts[0][length] for ids in contexts):
        length += 1
    return contexts[0][:length]


def brute_force(byte_lm, prefix: bytes, suffix: bytes, format: str) -> Brute:
    tokenizer = byte_lm.description.plain
    after = tokenizer.encode(suffix.decode(), add_special_tokens=False).ids
    if byte_lm.dummy:
        # A suffix has no dummy space: what is written after a letter, without the letter.
        written = tokenizer.encode("b" + suffix.decode(), add_special_tokens=False).ids
        letter = [tokenizer.token_to_id(piece) for piece in "▁b"]
        assert written[:2] == letter, "no token straddles the letter"
        after = written[2:]
    if format == "spm":
        return Brute(byte_lm, [BOS, PREFIX, SUFFIX, *after, MIDDLE], end_anywhere=True)
    kept = boundary(byte_lm, prefix)
    return Brute(byte_lm, [BOS, PREFIX, *kept, SUFFIX, *after, MIDDLE], kept=kept, end_anywhere=True)


def worst_distribution(kind: str, format: str) -> float:
    """The largest difference of a probability from enumeration."""
    byte_lm, worst = tiny_lm(kind), 0.0
    for prefix in PREFIXES:
        for suffix in SUFFIXES if prefix in (b"", b"ab") else SUFFIXES[1:]:
            brute = brute_force(byte_lm, prefix, suffix, format)
            for middle in MIDDLES:
                streams = infilling_streams(byte_lm, [prefix], [suffix], format)
                streams.extend([middle])
                found = streams.log_probs[0].exp()
                worst = max(worst, float((found - brute.distribution(prefix + middle)).abs().max()))
    return worst


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_distribution_of_the_middle_is_that_of_enumeration(kind, format):
    assert worst_distribution(kind, format) < 1e-9


MUTANTS = {
    "suffix with a dummy space": ("encode(other, suffix, dummy=False)", "encode(other, suffix)", "sentencepiece", "spm"),
    "end only where the tokenizer ends": (
        "before=before, end_anywhere=True", "before=before", "byte_level", "psm",
    ),
    "prefix fixed as it is encoded": (
        "shared = paths[0]\n", "shared = frontier.contexts.path(max(frontier.exact))\n    paths = []\n", "byte_level", "psm",
    ),
    "middle begins a text of its own": ("else states[-1], text", "else rules.start, text", "byte_level", "psm"),
    "prefix after the suffix": (
        "ids.prefix, *kept, ids.suffix, *after,", "ids.suffix, *after, ids.prefix, *kept,", "byte_level", "psm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_enumeration_finds_planted_mistakes(monkeypatch, mutant):
    old, new, kind, format = MUTANTS[mutant]
    plant(monkeypatch, infilling, old, new)
    monkeypatch.setitem(globals(), "infilling_streams", infilling.infilling_streams)
    try:
        assert worst_distribution(kind, format) > 1e-6
    except ArgumentError as error:
        # A middle that must be possible is not any more.
        assert "cannot follow" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_boundary_is_what_all_covers_share(kind):
    byte_lm = tiny_lm(kind)
    cut_inside = 0
    for prefix in texts(0, 3):
        kept, state, tail = certain_boundary(byte_lm, prefix)
        assert tuple(kept) == boundary(byte_lm, prefix)
        assert (state is None) == (not kept)
        if kept:
            assert byte_lm.description.decode(kept) + tail == byte_lm.dummy + prefix
        cut_inside += tuple(kept) != tuple(byte_lm.description.encode(prefix))
    assert cut_inside > 20, "most prefixes have an uncertain end"


def test_middle_completes_a_character(lab):
    whole = "naïve".encode()
    for format in FORMATS:
        streams = infilling_streams(lab, [whole[:3]], [b" idea"], format)
        distribution = streams.log_probs[0]
        assert distribution[256] == -torch.inf, "no end inside a character"
        assert not certain_boundary(lab, whole[:3])[0][2:], "the character is not divided"
        follows = distribution.exp().nonzero().flatten().tolist()
        assert set(follows) <= set(range(0x80, 0xC0))
        streams.push([whole[3]])
        assert streams.log_probs[0, 256] > -torch.inf


def test_batches_are_what_each_text_is(lab):
    prefixes = [b"", b"    return sel", "# caf\xc3".encode("latin-1")]
    suffixes = [b"x = 1\n", b".name\n", b""]
    for format in FORMATS:
        together = infilling_streams(lab, prefixes, suffixes, format)
        assert together.texts == prefixes
        for row, (prefix, suffix) in enumerate(zip(prefixes, suffixes, strict=True)):
            alone = infilling_streams(lab, [prefix], [suffix], format).log_probs[0].exp()
            assert (together.log_probs[row].exp() - alone).abs().max() < 1e-5
    drawn = fill_in_middle(lab, prefixes, suffixes, max_new_bytes=5, temperature=0)
    assert [sample.text for sample in drawn] == [
        fill_in_middle(lab, prefix, suffix, max_new_bytes=5, temperature=0).text
        for prefix, suffix in zip(prefixes, suffixes, strict=True)
    ]


def test_samples_have_their_log_probability():
    byte_lm = tiny_lm()
    for seed in range(3):
        sample = fill_in_middle(
            byte_lm, b"a", b"b", max_new_bytes=6, generator=torch.Generator().manual_seed(seed)
        )
        streams = infilling_streams(byte_lm, [b"a"], [b"b"])
        streams.extend([sample.text])
        assert streams.scores(ended=sample.ended)[0].log_prob == pytest.approx(sample.log_prob, abs=1e-9)
        again = fill_in_middle(
            byte_lm, b"a", b"b", max_new_bytes=6, generator=torch.Generator().manual_seed(seed)
        )
        assert again == sample


def test_markers_cannot_be_typed(lab):
    prefix, suffix = b"x = '<fim_prefix>", b"<fim_middle>'\n"
    marks = set(find_fim_ids(lab, None))
    for format in FORMATS:
        (context,) = captured_contexts(lab, prefix, suffix, format)
        assert [token for token in context if token in marks] == [PREFIX, SUFFIX, MIDDLE]
    # transformers would read them as the markers that they are called after.
    _, tokenizer = load("lab-draft")
    assert PREFIX in tokenizer(prefix.decode()).input_ids


def captured_contexts(byte_lm, prefix, suffix, format) -> list[list[int]]:
    seen = []

    class Seen(ByteStreams):
        def __init__(self, byte_lm, context_ids, *rest, **options):
            seen.extend(context_ids)
            super().__init__(byte_lm, context_ids, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infilling, "ByteStreams", Seen)
        infilling_streams(byte_lm, [prefix], [suffix], format)
    return seen


def test_formats_put_the_parts_where_the_model_was_shown_them(lab):
    encode = lab.description.encode
    prefix, suffix = b"def f(x):\n    return x.na", b"\n\nprint(f)\n"
    kept, _, tail = certain_boundary(lab, prefix)
    assert tail == b"na" and kept == encode(prefix[:-2])
    (psm,) = captured_contexts(lab, prefix, suffix, "psm")
    assert psm == [BOS, PREFIX, *kept, SUFFIX, *encode(suffix), MIDDLE]
    (spm,) = captured_contexts(lab, prefix, suffix, "spm")
    assert spm == [BOS, PREFIX, SUFFIX, *encode(suffix), MIDDLE]


def test_all_tokenizations_divide_the_prefix_as_valid_ones_do():
    model, tokenizer = tiny_lm().model, tokenizer_of("byte_level")
    everything = ByteLM(model, tokenizer, "all", beam_width=500)
    kept, state, tail = certain_boundary(everything, b"ab a")
    assert (kept, tail) == certain_boundary(tiny_lm(), b"ab a")[::2]
    assert state == everything.rules.start
    distribution = infilling_streams(everything, [b"ab a"], [b"b"]).log_probs[0]
    assert distribution.logsumexp(0).item() == pytest.approx(0, abs=1e-12)
    # Sequences that the tokenizer never writes count as well here.
    assert (
        distribution.exp() - infilling_streams(tiny_lm(), [b"ab a"], [b"b"]).log_probs[0].exp()
    ).abs().max() > 1e-3


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_markers_are_found_by_the_names_in_use(names):
    tokenizer = tokenizer_of("byte_level", ("<bos>", "<eos>", "<pad>", *names))
    byte_lm = ByteLM(tiny_model(vocab=tokenizer.get_vocab_size()), tokenizer)
    assert find_fim_ids(byte_lm, None) == FimIds(PREFIX, SUFFIX, MIDDLE)


def test_markers_may_be_tokens_that_a_text_may_hold():
    names = NAMES[2]  # Qwen's are not special.
    tokenizer = tokenizer_of("byte_level", ("<bos>", "<eos>", "<pad>"))
    tokenizer.add_tokens(list(names))
    byte_lm = ByteLM(tiny_model(vocab=tokenizer.get_vocab_size()), tokenizer)
    assert find_fim_ids(byte_lm, None) == FimIds(*(tokenizer.token_to_id(name) for name in names))


def test_other_markers_are_given():
    tokenizer = tokenizer_of("byte_level", ("<bos>", "<eos>", "<pad>", "<before>", "<after>", "<gap>"))
    byte_lm = ByteLM(tiny_lm().model, tokenizer)
    with pytest.raises(ArgumentError, match="no special tokens for infilling .* give fim_ids"):
        fill_in_middle(byte_lm, b"a", b"b")
    found = infilling_streams(byte_lm, [b"a"], [b"b"], fim_ids=(PREFIX, SUFFIX, MIDDLE)).log_probs
    assert torch.equal(found, infilling_streams(tiny_lm(), [b"a"], [b"b"]).log_probs)


def test_tokens_continue_the_encoding_of_the_prefix(lab):
    prefix, suffix = b"def __ini", b"(self):\n"
    encode = lab.description.encode
    contexts = {
        "psm": [BOS, PREFIX, *encode(prefix), SUFFIX, *encode(suffix), MIDDLE],
        "spm": [BOS, PREFIX, SUFFIX, *encode(suffix), MIDDLE, *encode(prefix)],
    }
    for format, context in contexts.items():
        found = fill_in_middle_tokens(lab, prefix, suffix, format, max_new_tokens=2, temperature=0)
        with torch.no_grad():
            first = lab.model(torch.tensor([context])).logits[0, -1]
        first[: MIDDLE + 1] = -torch.inf
        assert found.ids[0] == int(first.argmax())
        assert found.text == lab.description.decode(found.ids)
        assert found.cover.ids == tuple(encode(prefix))


def test_healing_spells_the_end_of_the_prefix_anew(lab):
    prefix, suffix = b"def __ini", b"(self):\n"
    for format in FORMATS:
        healed = fill_in_middle_tokens(
            lab, prefix, suffix, format, healing="longest_match", max_new_tokens=2, temperature=0
        )
        assert b"".join(healed.cover.strings) == prefix + healed.cover.beyond
        assert healed.text.startswith(b"t")
        kept, forced = rewind(lab, lab.description.encode(prefix))
        assert healed.cover.ids[: len(kept)] == tuple(kept) and forced == b"ini"


def test_tokens_after_a_prefix_that_needs_no_healing_are_the_same(lab):
    # No token begins with this one and goes on.
    prefix = b"import importlib"
    assert rewind(lab, lab.description.encode(prefix))[1] == b""
    plain, healed = (
        fill_in_middle_tokens(lab, prefix, b"\n", healing=healing, max_new_tokens=3, temperature=0)
        for healing in HEALING
    )
    assert plain == healed


@pytest.mark.parametrize("call", [fill_in_middle, fill_in_middle_tokens])
@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("a", b"b"), {}, DtypeError, "prefix must be bytes, found str"),
        ((b"a", "b"), {}, (DtypeError, ShapeError), "suffix"),
        ((b"a", 3), {}, (DtypeError, ShapeError), "suffix"),
        ((b"\xff", b"b"), {}, ArgumentError, "prefix is not UTF-8"),
        ((b"a", b"\xa9b"), {}, ArgumentError, "suffix is not UTF-8"),
        ((b"a", b"b\xc3"), {}, ArgumentError, "suffix is not UTF-8"),
        ((b"a", b"b", "mps"), {}, ArgumentError, "format is 'mps', expected one of 'psm', 'spm'"),
        ((b"a", b"b"), {"temperature": -1}, ArgumentError, "temperature is -1"),
        ((b"a", b"b"), {"top_p": 0}, ArgumentError, "top_p is 0"),
        ((b"a", b"b"), {"fim_ids": (3, 4)}, ShapeError, "fim_ids has 2 entries, expected 3"),
        ((b"a", b"b"), {"fim_ids": "<a>"}, DtypeError, "fim_ids must be three token ids"),
        ((b"a", b"b"), {"fim_ids": (3, 4, 4)}, ArgumentError, "three different tokens"),
        ((b"a", b"b"), {"fim_ids": (3, 4, 6)}, ArgumentError, "6, which stands for b'a'"),
        ((b"a", b"b"), {"fim_ids": (3, 4, 99)}, ArgumentError, "fim_ids is 99"),
    ],
)
def test_wrong_arguments(call, arguments, options, error, message):
    with pytest.raises(error, match=message):
        call(tiny_lm(), *arguments, **options)


def test_wrong_arguments_of_one_kind(lab):
    with pytest.raises(ArgumentError, match="max_new_bytes is -1"):
        fill_in_middle(tiny_lm(), b"a", b"b", max_new_bytes=-1)
    with pytest.raises(ArgumentError, match="max_new_tokens is -1"):
        fill_in_middle_tokens(tiny_lm(), b"a", b"b", max_new_tokens=-1)
    with pytest.raises(ArgumentError, match="healing is 'yes'"):
        fill_in_middle_tokens(tiny_lm(), b"a", b"b", healing="yes")
    with pytest.raises(ShapeError, match="suffix has 1 entries, expected 2"):
        fill_in_middle(tiny_lm(), [b"a", b"b"], [b"b"])
    with pytest.raises(ArgumentError, match="prefix is an empty list"):
        fill_in_middle(tiny_lm(), [], [])
    with pytest.raises(ArgumentError, match="prefix is not UTF-8"):
        fill_in_middle_tokens(lab, "é".encode()[:1], b"b")
    with pytest.raises(ArgumentError, match="positions"):
        fill_in_middle_tokens(tiny_lm(), b"b" * 50, b"b" * 5, max_new_tokens=10)
    with pytest.raises(ArgumentError, match="positions"):
        fill_in_middle(tiny_lm(), b"b" * 50, b"b" * 20)
