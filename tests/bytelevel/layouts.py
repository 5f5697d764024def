"""The layouts of widely used ``tokenizer.json`` files, with small vocabularies of their own."""

from __future__ import annotations

from collections.abc import Callable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from tests.bytelevel.pretokenizers import BYTES_ONLY, GPT2, LOWER, O200K, REST, SPECS, UPPER, sequence, split
from tests.bytelevel.tokenizers import BUILDERS, SPACE, byte_level, changed, sentencepiece

TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + REST
)
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
RIGHT_ALIGNED = r"\p{N}{1,3}(?=(?:\p{N}{3})*\b)"
DIGITS = {"type": "Digits", "individual_digits": True}


def metaspace(scheme: str, split: bool = False) -> dict:
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


def prepended() -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])


#: The probabilities are exact.
EXACT: dict[str, Callable[[], Tokenizer]] = {
    "GPT-2, OPT, Whisper": lambda: byte_level(GPT2),
    "GPT-2 and RoBERTa with add_prefix_space": lambda: byte_level({**GPT2, "add_prefix_space": True}),
    "GPT-NeoX, Pythia, OLMo": lambda: byte_level(GPT2, normalizer=normalizers.NFC()),
    "Llama 3": lambda: byte_level(SPECS["llama3"], ignore_merges=True, pieces=("1234",), forget=("123",)),
    "OLMo 2, GLM-4": lambda: byte_level(SPECS["llama3"]),
    "Qwen 2, Qwen 3": lambda: byte_level(SPECS["qwen2"], normalizer=normalizers.NFC()),
    "GPT-4o, gpt-oss": lambda: byte_level(sequence(split(O200K), BYTES_ONLY)),
    "Phi-4": lambda: byte_level(sequence(SPECS["tiktoken"], BYTES_ONLY)),
    "Mistral (tekken)": lambda: byte_level(sequence(split(TEKKEN), BYTES_ONLY), ignore_merges=True),
    "DeepSeek V3": lambda: byte_level(SPECS["deepseek"]),
    "DeepSeek Coder": lambda: byte_level(SPECS["deepseek_coder"]),
    "StarCoder 2, SmolLM 2, Granite": lambda: byte_level(sequence(DIGITS, GPT2)),
    "Command R": lambda: byte_level(sequence(DIGITS, GPT2), normalizer=normalizers.NFC()),
    "BLOOM": lambda: byte_level(sequence(split(BLOOM), BYTES_ONLY)),
    "Llama 2, CodeLlama, Phi-3, Mistral 0.1": lambda: sentencepiece(normalizer=prepended(), dummy=True),
    "Mistral 0.3, Llama 2 since 2024": lambda: sentencepiece(metaspace("first"), dummy=True),
    "Gemma 2, Gemma 3": lambda: sentencepiece(
        SPECS["space_before"], normalizer=normalizers.Replace(" ", SPACE)
    ),
}

BUILDERS.update(EXACT)  # the oracle finds a tokenizer by its name


def falcon() -> Tokenizer:
    punctuation = {"type": "Punctuation", "behavior": "Contiguous"}
    digits = {"type": "Digits", "individual_digits": False}
    return byte_level(sequence(punctuation, GPT2, digits, split("[0-9][0-9][0-9]")))


def marked(**options: str) -> Tokenizer:
    return Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[], **options))


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), (SPACE, -1.0), ("a", -1.0)], 0, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def superbpe(pattern: str) -> Tokenizer:
    return changed(
        byte_level(BYTES_ONLY), lambda state: state.update(pre_tokenizer=sequence(split(pattern), BYTES_ONLY))
    )


#: Refused, with words of the reason.
REFUSED: dict[str, tuple[Callable[[], Tokenizer], str]] = {
    "Falcon": (falcon, "'Digits' after ByteLevel, which would divide bytes.*would be needed"),
    "SuperBPE, groups of digits from the right": (
        lambda: superbpe(RIGHT_ALIGNED),
        r"'\\\\b' near .*a word boundary.*would be needed",
    ),
    "SuperBPE, without the boundary": (
        lambda: superbpe(r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))"),
        r"'\(\?=' near .*only one next character can be looked at.*would be needed",
    ),
    "a look behind": (
        lambda: superbpe(r"(?<=a)b"),
        r"'\(\?<=' near .*a look at what stands before.*would be needed",
    ),
    "T5, XLM-R (Unigram)": (unigram, "a Unigram model.*likeliest of all segmentations.*would be needed"),
    "BERT (WordPiece)": (
        lambda: Tokenizer(models.WordPiece({"a": 0, "?": 1}, unk_token="?")),
        "a WordPiece model.*unknown token",
    ),
    "GPT-1, CLIP": (lambda: marked(end_of_word_suffix="</w>"), "end_of_word_suffix '</w>'"),
}
