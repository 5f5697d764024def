"""A text that the tokenizer never writes is refused wherever it enters, not written as another one."""

from __future__ import annotations

import pytest

from tests.bytelevel.brute import tiny_lm
from tests.bytelevel.tokenizers import lm_of
from tokenlab.bytelevel import ByteLM, baselines, complete, explain, fill_in_middle
from tokenlab.bytelevel.tasks.baselines import continuation_scores, prompted_streams
from tokenlab.bytelevel.tasks.infilling import fill_in_middle_tokens
from tokenlab.errors import ArgumentError
from tokenlab.lm import load

FIM = {"fim_ids": (0, 1, 2)}
#: A byte that the vocabulary lacks, another normal form.
TEXTS = {
    "a missing alphabet": (tiny_lm, b"axb"),
    "another normal form": (lambda: lm_of("qwen2"), "e\u0301".encode()),
}
ENTRIES = {
    "next byte": lambda lm, text: lm.next_byte_log_probs(text),
    "score": lambda lm, text: lm.score(text),
    "pushed": lambda lm, text: lm.stream().extend(text),
    "explain": explain,
    "complete": lambda lm, text: complete(lm, text, 1),
    "plain distribution": baselines.plain_next_byte_log_probs,
    "longest match": baselines.longest_match_next_byte_log_probs,
    "plain streams": lambda lm, text: prompted_streams(lm, [text], "plain"),
    "continuations": lambda lm, text: continuation_scores(lm, [text], [b""], "longest_match"),
    "plain completion": lambda lm, text: baselines.plain_complete(lm, text, 1),
    "longest match completion": lambda lm, text: baselines.longest_match_complete(lm, text, 1),
    "prefix": lambda lm, text: fill_in_middle(lm, text, b"a", max_new_bytes=1, **FIM),
    "prefix, spm": lambda lm, text: fill_in_middle(lm, text, b"a", "spm", max_new_bytes=1, **FIM),
    "prefix of tokens": lambda lm, text: fill_in_middle_tokens(lm, text, b"a", max_new_tokens=1, **FIM),
    "suffix": lambda lm, text: fill_in_middle(lm, b"a", text, max_new_bytes=1, **FIM),
    "suffix of tokens": lambda lm, text: fill_in_middle_tokens(lm, b"a", text, max_new_tokens=1, **FIM),
}


@pytest.mark.model
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_refuses_it(entry, text):
    make, data = TEXTS[text]
    with pytest.raises(ArgumentError, match=r"tokenizer never writes|not in the normal form|cannot follow"):
        ENTRIES[entry](make(), data)


@pytest.mark.parametrize("text", TEXTS)
def test_a_beam_is_no_reason_to_rewrite_a_baseline(text):
    make, data = TEXTS[text]
    everything = ByteLM(make().model, make().description.plain, "all", beam_width=9, start_ids=[0])
    with pytest.raises(ArgumentError, match="never writes|normal form"):
        baselines.plain_next_byte_log_probs(everything, data)


@pytest.mark.parametrize("prompt", ["<eos>", "a<pad>b", "<bos>"])
def test_healing_of_transformers_refuses_what_its_tokenizer_reads_otherwise(prompt):
    with pytest.raises(ArgumentError, match=r"prompt .* is one that the tokenizer never writes.*spells"):
        baselines.transformers_complete(*load("lab-draft"), prompt.encode(), 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda lm: lm.next_byte_log_probs([b"a", b"\xff"]), r"prefix\[1\] is not UTF-8"),
        (lambda lm: lm.score([b"\xff", b"a"]), r"text\[0\] is not UTF-8"),
        (lambda lm: lm.sample([b"a", b"b", b"\xff"], 1), r"prefix\[2\] is not UTF-8"),
        (lambda lm: baselines.plain_next_byte_log_probs(lm, [b"a", b"x"]), r"prompt\[1\] b'x' is one that"),
        (lambda lm: prompted_streams(lm, [b"a", b"x"], "longest_match"), r"prompt\[1\] b'x' is one that"),
        (lambda lm: fill_in_middle(lm, [b"a", b"b"], [b"x", b"b"], **FIM), r"suffix\[0\] b'x' is one that"),
        (lambda lm: fill_in_middle(lm, [b"a", b"x"], [b"a", b"b"], **FIM), r"prefix\[1\] b'x' is one that"),
        (lambda lm: lm.streams([b"a", b"b"]).extend([b"a", "b"]), r"data\[1\] must be bytes"),
    ],
)
def test_of_several_texts_the_error_says_which(call, message):
    with pytest.raises(Exception, match=message):
        call(tiny_lm())
