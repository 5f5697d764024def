"""The recorded experiments, small: cuts, gaps, ensembles, beams, intervals, the results files."""

from __future__ import annotations

import json
import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pictures import assert_shows_and_describes_itself
from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM, baselines, ensemble, fill_in_middle
from tokenlab.chapters.bytelevel import experiments, result_figures
from tokenlab.chapters.bytelevel.experiments import Gap
from tokenlab.errors import ArgumentError, CheckpointError, ShapeError
from tokenlab.lm import load

FILE = "source/lru_cache.py"


@pytest.fixture(scope="module")
def models() -> dict[str, tuple]:
    """The draft is the target here: the same tokenizer, an eighteenth of the layers."""
    draft = load("lab-draft", dtype=torch.float64)
    return {"target": draft, "other": load("lab-other", dtype=torch.float64), "draft": draft}


@pytest.fixture(scope="module")
def byte_lm(models) -> ByteLM:
    return ByteLM(*models["target"])


@pytest.fixture(scope="module")
def text() -> bytes:
    return experiments.heldout_bytes()[FILE]


def test_boundaries_are_where_the_tokenizer_ends_its_tokens(models, text):
    for name in ("target", "other"):
        model, tokenizer = models[name]
        found = experiments.boundaries(ByteLM(model, tokenizer), text)
        offsets = tokenizer(
            text.decode(), return_offsets_mapping=True, add_special_tokens=False
        ).offset_mapping
        assert text.isascii() and found == {0} | {end for _, end in offsets}


def check_cuts(byte_lm: ByteLM, text: bytes) -> None:
    """Each method at each cut, against the same asked one by one."""
    cuts = range(30, 36)
    found = experiments.measure_cuts(byte_lm, text, cuts)
    for method in experiments.METHODS:
        alone = [
            baselines.continuation_scores(byte_lm, [text[:cut]], [text[cut : cut + 8]], method)[0]
            for cut in cuts
        ]
        bits = [-score.log_probs / math.log(2) for score in alone]
        assert found[method]["first"] == pytest.approx([float(row[0]) for row in bits], abs=1e-9)
        assert found[method]["ahead"] == pytest.approx([float(row.sum()) for row in bits], abs=1e-9)
    distributions = byte_lm.next_byte_log_probs([text[:cut] for cut in cuts])
    assert found["exact"]["hit"] == [
        int(distribution.argmax() == text[cut]) for distribution, cut in zip(distributions, cuts)
    ]
    assert found["work"]["bytes"] == cuts[-1] + 8 == len(found["work"]["leaks"])


def test_cuts_are_what_each_method_says_after_each_prompt(byte_lm, text):
    check_cuts(byte_lm, text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("float(bits[cut : cut + AHEAD].sum())", "float(bits[cut + 1 : cut + AHEAD].sum())"),
        ("[text[cut : cut + AHEAD] for cut in cuts]", "[text[cut + 1 : cut + 1 + AHEAD] for cut in cuts]"),
        ("streams.log_probs[0].argmax() == text[place]", "streams.log_probs[0].argmax() == text[place + 1]"),
    ],
    ids=["one byte too few", "the prompt and what follows do not meet", "the hit is that of the next byte"],
)
def test_planted_mistakes_at_the_cuts_are_caught(monkeypatch, byte_lm, text, old, new):
    plant(monkeypatch, experiments, old, new)
    with pytest.raises(AssertionError):
        check_cuts(byte_lm, text)


def test_work_is_that_of_typing(byte_lm, text):
    """Known text is read ahead in blocks; the model reads the same tokens as when it is typed."""
    work = experiments.measure_cuts(byte_lm, text, range(40, 41), ["exact"])["work"]
    streams = byte_lm.streams([b""])
    for byte in text[: work["bytes"]]:
        assert streams.log_probs[0, byte] < 0
        streams.push([byte])
    assert work["leaks"] == pytest.approx(streams.scores()[0].leaks.tolist(), abs=1e-9)
    assert work["tokens"] == streams.num_tokens


def test_transformers_healing_is_asked_for_one_byte(models, byte_lm, text):
    found = experiments.measure_transformers_healing(byte_lm, models["target"][1], text, [40, 41])
    assert set(found) == {"kept", "hit"} and all(len(row) == 2 for row in found.values())
    # A prompt that ends in a space comes back without it.
    space = text.index(b" ", 40) + 1
    assert experiments.measure_transformers_healing(byte_lm, models["target"][1], text, [space])["kept"] == [
        0
    ]


def test_gaps_lie_in_the_text_at_the_same_places_each_time(byte_lm, text):
    found = experiments.gaps(byte_lm, FILE, 40)
    assert found == experiments.gaps(byte_lm, FILE, 40) != experiments.gaps(byte_lm, FILE, 40, seed=1)
    ends = experiments.boundaries(byte_lm, text)
    for gap in found:
        start = text.index(gap.prefix + gap.middle + gap.suffix) + len(gap.prefix)
        assert 1 <= len(gap.middle) <= experiments.LONGEST_GAP
        assert gap.inside == (start not in ends)
        assert max(len(gap.prefix), len(gap.suffix)) <= experiments.AROUND
        # Whole lines, so that no token is cut but at the gap.
        first = start - len(gap.prefix)
        assert first == 0 or text[first - 1 : first] == b"\n"
        assert gap.suffix.endswith(b"\n")
    assert {gap.inside for gap in found} == {True, False}
    # Evenly in the logarithm: half of them are shorter than the root of the longest.
    assert 10 < sum(len(gap.middle) < math.sqrt(experiments.LONGEST_GAP) for gap in found) < 30


def test_every_gap_leaves_room_for_its_middle(byte_lm):
    """Five marks, both sides, and as many tokens as the middle has bytes."""
    encode = byte_lm.description.encode
    for file in experiments.heldout_bytes():
        if file.startswith("source"):
            for gap in experiments.gaps(byte_lm, file):
                needed = len(encode(gap.prefix)) + len(encode(gap.suffix)) + len(gap.middle)
                assert needed + 5 <= byte_lm.model.config.max_position_embeddings


@pytest.fixture(scope="module")
def written_gap(byte_lm) -> Gap:
    """A gap whose middle is what the model writes, so that something agrees."""
    (gap,) = experiments.gaps(byte_lm, FILE, 1)
    gap = gap._replace(prefix=gap.prefix[-60:], suffix=gap.suffix[:60])
    sample = fill_in_middle(byte_lm, gap.prefix, gap.suffix, "psm", max_new_bytes=9, temperature=0)
    return gap._replace(middle=sample.text)


def check_gap(byte_lm: ByteLM, gap: Gap) -> None:
    found = experiments.measure_gaps(byte_lm, [gap, gap._replace(middle=b"0x7f")], "psm")
    own, wrong = found["bytes"]
    assert own["agrees"] == 1 and own["similarity"] == 1 and own["text"] == gap.middle.decode()
    assert own["exact"] == 0  # the model would go on
    assert wrong["agrees"] == 0 and wrong["similarity"] < 1 and wrong["text"] == gap.middle[:4].decode()
    assert own["bits"] < wrong["bits"]
    # Tokens after a fixed encoding: of the paths that end here only the middle's own encoding counts.
    description, ids = byte_lm.description, byte_lm.description.encode
    start, suffix, middle = (
        description.added_token(f"<fim_{part}>") for part in ("prefix", "suffix", "middle")
    )
    context = [*byte_lm.start_ids, start, *ids(gap.prefix), suffix, *ids(gap.suffix), middle]
    path = ids(gap.middle)
    with torch.inference_mode():
        rows = byte_lm.model(torch.tensor([[*context, *path]])).logits[0, len(context) - 1 :].log_softmax(-1)
    nats = sum(float(row[token]) for row, token in zip(rows, path, strict=False))
    bits = -(nats + float(rows[-1, byte_lm.end_ids].logsumexp(0))) / math.log(2)
    told = found["tokens"][0]["bits"] + found["tokens"][0]["end_bits"]
    # What the leak leaves out makes the rest a little more probable.
    assert told <= bits + 1e-9 and told == pytest.approx(bits, rel=0.05)
    assert found["tokens"][0]["bits"] < bits


def test_gaps_are_measured_with_each_filler(byte_lm, written_gap):
    check_gap(byte_lm, written_gap)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("start = text[: len(gap.middle)]", "start = text[: len(gap.middle) + 1]"),
        ("float(bits[:-1].sum())", "float(bits.sum())"),
        ("[start, *kept, *after] if", "[start, *after, *kept] if"),
    ],
    ids=["one byte too many", "the end counts as a byte", "the formats are mixed up"],
)
def test_planted_mistakes_at_the_gaps_are_caught(monkeypatch, byte_lm, written_gap, old, new):
    plant(monkeypatch, experiments, old, new)
    with pytest.raises(AssertionError):
        check_gap(byte_lm, written_gap)


def distance(a: bytes, b: bytes) -> int:
    """Levenshtein distance as it is defined."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


WORDS = st.lists(st.sampled_from(b"abc"), max_size=5).map(bytes)


@given(WORDS, WORDS)
def test_similarity_is_that_of_levenshtein(first, second):
    longest = max(len(first), len(second), 1)
    assert experiments.similarity(first, second) == pytest.approx(1 - distance(first, second) / longest)


def check_ensembles(models) -> None:
    texts = [b"def __init__", b"import json\n"]
    members = [ByteLM(*models[role]) for role in ("target", "other", "draft")]
    distributions = experiments.measure_distributions(members, texts)
    assert distributions.shape == (3, 2, 12, 257)
    for how, weights in (("mix", (0.25, 0.75, 0)), ("product", (0.5, 0.3, 0.2)), ("mix", (0, 1, 0))):
        bits = experiments.combined_bits(distributions, texts, weights, how)
        there = [(member, weight) for member, weight in zip(members, weights) if weight]
        both = ensemble([member for member, _ in there], [weight for _, weight in there], how)
        for row, score in zip(bits, both.score(texts), strict=True):
            torch.testing.assert_close(row, -score.log_probs / math.log(2))


def test_combined_distributions_are_those_of_an_ensemble(models):
    check_ensembles(models)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(shares * distributions[there]).sum(0).log_softmax(-1)", "(shares * distributions[there]).sum(0)"),
        (
            "torch.logsumexp(shares.log() + distributions[there], 0)",
            "torch.logsumexp(shares + distributions[there], 0)",
        ),
    ],
    ids=["a product without its sum", "weights that are no logarithms"],
)
def test_planted_mistakes_in_ensembles_are_caught(monkeypatch, models, old, new):
    plant(monkeypatch, experiments, old, new)
    with pytest.raises(AssertionError):
        check_ensembles(models)


def test_beams_beside_valid_covers(models, byte_lm):
    read = b"def __init__(self"
    valid = experiments.measure_tokenization(byte_lm, read)
    wide = experiments.measure_tokenization(ByteLM(*models["target"], "all", beam_width=16), read)
    assert valid["pruned"] == 0 and wide["pruned"] < 0.01
    assert valid["log_prob"] == pytest.approx(byte_lm.log_prob(read))
    # Valid covers are a part of all covers.
    assert wide["cover_log_prob"] > valid["cover_log_prob"] and wide["tokens"] > valid["tokens"]
    lost = experiments.measure_tokenization(
        ByteLM(*models["target"], "all", beam_width=1), '"""Finité'.encode()
    )
    assert set(lost) == {"lost_at"} or lost["pruned"] > 0


def test_interval_is_the_bootstrap_over_files(monkeypatch):
    """With three files all 27 samples can be drawn."""
    sums, counts = [1.0, 8.0, 2.0], [2, 4, 1]
    monkeypatch.setattr(experiments, "RESAMPLES", 60_000)
    found = experiments.interval(sums, counts)
    ratios = sorted(
        sum(sums[i] for i in drawn) / sum(counts[i] for i in drawn) for drawn in product(range(3), repeat=3)
    )
    assert found.mean == pytest.approx(11 / 7, abs=1e-5)
    assert (found.low, found.high) == pytest.approx((ratios[0], ratios[-1]), abs=1e-5)
    # Files without a place say nothing, and one file no interval.
    assert experiments.interval([*sums, 0.0], [*counts, 0]) == found
    with pytest.raises(ShapeError, match="1 of them not empty"):
        experiments.interval([1.0, 0.0], [3, 0])
    with pytest.raises(ShapeError, match="sums has 2 entries and counts 1"):
        experiments.interval([1.0, 2.0], [3])


CUTS = {
    "files": ["source/a.py", "source/b.py", "english/c.txt"],
    "cuts": [10, 13],
    "ahead": 8,
    "boundary": [[1, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]],
    "methods": {
        name: {
            "first": [[base, base + 1, base + 2, base + 3]] * 3,
            "ahead": [[8 * base] * 4] * 3,
            "hit": [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]],
        }
        for name, base in (("exact", 1), ("plain", 4), ("longest_match", 2))
    },
    "transformers": {"cuts": [10, 12], "kept": [[1, 0], [1, 1], [1, 1]], "hit": [[1, 0], [0, 0], [1, 1]]},
    "work": [
        {"bytes": 10, "tokens": 11, "leaks": [0.9, 0.1, 0.3]},
        {"bytes": 10, "tokens": 10, "leaks": [0.7, 0.0, 0.0]},
        {"bytes": 10, "tokens": 15, "leaks": [0.8, 0.2, 0.0]},
    ],
}


def test_cuts_are_read_by_place_and_kind():
    assert experiments.cut_bits(CUTS, "exact").mean == 2.5
    assert experiments.cut_bits(CUTS, "exact", part="boundary").mean == (1 + 4 + 3 + 2) / 4
    assert experiments.cut_bits(CUTS, "exact", part="inside", kind="source").mean == (2 + 3 + 1 + 2 + 4) / 5
    assert experiments.cut_bits(CUTS, "plain", "ahead").mean == 4
    assert experiments.cut_excess(CUTS, "plain") == (3, 3, 3)
    assert experiments.cut_hits(CUTS, "exact").mean == 0.5
    assert experiments.cut_hits(CUTS, "transformers").mean == 0.5
    assert experiments.cut_hits(CUTS, "transformers", "inside").mean == pytest.approx(2 / 4)
    assert experiments.prompts_kept(CUTS).mean == pytest.approx(5 / 6, abs=1e-5)
    assert experiments.tokens_per_byte(CUTS).mean == 1.2
    assert experiments.tokens_per_byte(CUTS, "source").mean == 1.05
    found = experiments.leaks(CUTS)
    assert found["first"] == pytest.approx(0.8) and found["mean"] == pytest.approx(0.1)
    assert 0.2 < found["p99"] <= 0.3


GAPS = {
    "gaps": [[{"inside": 1}, {"inside": 0}], [{"inside": 1}, {"inside": 1}]],
    "fills": {
        format: {
            filler: [
                {"text": ["", ""], "agrees": [1, 0], "similarity": [1.0, 0.5], "bits": [base, 3.0]},
                {"text": ["", ""], "agrees": [0, 0], "similarity": [0.5, 0.0], "bits": [base, 3.0]},
            ]
            for filler, base in (("bytes", 1.0), ("tokens", 4.0), ("healed tokens", 2.0))
        }
        for format in ("psm", "spm")
    },
}


# Both places in two files at least, for the pictures.
PICTURED = {**GAPS, "gaps": [[{"inside": 1}, {"inside": 0}], [{"inside": 1}, {"inside": 0}]]}


def test_gaps_are_read_by_place_and_in_pairs():
    assert experiments.gap_score(GAPS, "psm", "bytes").mean == 0.25
    assert experiments.gap_score(GAPS, "psm", "bytes", "similarity", "inside").mean == pytest.approx(0.5)
    assert experiments.gap_score(GAPS, "psm", "bytes", "bits", other="tokens").mean == -1.5
    assert experiments.gap_score(GAPS, "psm", "bytes", "bits", "inside", "tokens").mean == -2


ENSEMBLES = {
    "files": ["source/a.py", "source/b.py", "english/c.txt", "english/d.txt"],
    "bytes": 100,
    "bits": {name: [100.0 + i, 100.0 + i, 200.0, 220.0] for i, name in enumerate(experiments.ENSEMBLES)},
}


DISTRIBUTIONS = {
    "bytes": 10,
    "distributions": {
        "valid": [
            {
                "log_prob": -10.0,
                "cover_log_prob": -12.0,
                "pruned": 0.0,
                "tokens": 10,
                "heads": 2.0,
                "seconds": 1.0,
            },
            {
                "log_prob": -20.0,
                "cover_log_prob": -22.0,
                "pruned": 0.0,
                "tokens": 12,
                "heads": 2.0,
                "seconds": 1.0,
            },
        ],
        "all, 1": [{"lost_at": 3}, {"lost_at": 4}],
        "all, 2": [
            {"lost_at": 3},
            {
                "log_prob": -19.0,
                "cover_log_prob": -21.5,
                "pruned": 0.1,
                "tokens": 30,
                "heads": 4.0,
                "seconds": 2.0,
            },
        ],
    },
}


def test_ensembles_and_distributions_are_read():
    assert experiments.ensemble_bits(ENSEMBLES, "target", "source").mean == 1.0
    assert experiments.ensemble_bits(ENSEMBLES, "target").mean == 1.55
    assert experiments.ensemble_bits(ENSEMBLES, "other", "source", other="target").mean == 0.01
    assert experiments.distribution_means(DISTRIBUTIONS, "all, 1") == {"read": 0}
    found = experiments.distribution_means(DISTRIBUTIONS, "all, 2")
    assert found == pytest.approx(
        {
            "read": 1,
            "conditionals": 0.1,
            "covers": 0.05,
            "pruned": 0.1,
            "tokens": 3.0,
            "heads": 4.0,
            "bytes_per_second": 5.0,
        }
    )


@pytest.mark.parametrize(
    "draw",
    [
        lambda: result_figures.cut_bits(CUTS),
        lambda: result_figures.cut_bits(CUTS, "ahead"),
        lambda: result_figures.gap_scores(PICTURED),
        lambda: result_figures.gap_scores(PICTURED, "similarity"),
        lambda: result_figures.ensemble_bits(ENSEMBLES),
    ],
    ids=["cuts", "cuts, eight bytes", "gaps", "gaps, similarity", "ensembles"],
)
def test_pictures(draw):
    assert_shows_and_describes_itself(draw, smallest=8)


def test_pictures_show_what_was_recorded():
    _, data = result_figures.cut_bits(CUTS)
    assert data["intervals"]["exact"][2] == tuple(experiments.cut_bits(CUTS, "exact"))
    assert "between tokens" in data["alt"]
    _, data = result_figures.gap_scores(PICTURED)
    assert data["intervals"]["bytes"][0] == tuple(
        experiments.gap_score(PICTURED, "psm", "bytes", "bits", "inside")
    )
    _, data = result_figures.ensemble_bits(ENSEMBLES)
    assert data["bits"]["source"]["mix"][0] == experiments.ensemble_bits(ENSEMBLES, "other", "source").mean
    with pytest.raises(ArgumentError, match="measure is 'speed'"):
        result_figures.gap_scores(GAPS, "speed")


@pytest.fixture(scope="module")
def written(models, tmp_path_factory) -> dict[str, dict]:
    """All commands, on two files of each kind and a few places."""
    from tokenlab import lm

    folder = tmp_path_factory.mktemp("results")
    texts = experiments.heldout_bytes()
    few = [name for kind in ("source", "english") for name in [n for n in texts if n.startswith(kind)][:2]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lm, "load", lambda name, dtype: models[name.removeprefix("lab-")])
        patch.setattr(experiments, "heldout_bytes", lambda: {name: texts[name][:500] for name in few})
        patch.setattr(experiments, "CUTS", range(30, 33))
        patch.setattr(experiments.measure_cuts, "__defaults__", (range(30, 33), experiments.METHODS))
        patch.setattr(experiments, "HEALED_CUTS", range(30, 31))
        patch.setattr(experiments.measure_transformers_healing, "__defaults__", (range(30, 31),))
        patch.setattr(experiments.gaps, "__defaults__", (2, 0))
        patch.setattr(experiments, "ENSEMBLE_BYTES", 6)
        patch.setattr(experiments, "TOKENIZATION_BYTES", 6)
        patch.setattr(experiments, "WIDTHS", (2,))
        threads = torch.get_num_threads()
        for name in experiments.EXPERIMENTS:
            experiments.main([name, "--folder", str(folder)])
        torch.set_num_threads(threads)
    return {name: experiments.load_results(name, folder) for name in experiments.EXPERIMENTS}


@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_results_are_written_with_their_provenance(written, name):
    origin = written[name]["provenance"]
    assert origin["command"] == f"python -m tokenlab.chapters.bytelevel.experiments {name}"
    roles = ["target", "other", "draft"] if name == "ensembles" else ["target"]
    assert {role: model["name"] for role, model in origin["models"].items()} == {r: f"lab-{r}" for r in roles}
    assert all(len(model["weights_sha256"]) == 64 for model in origin["models"].values())
    assert {"device", "dtype", "date", "versions", "threads", "seconds"} <= set(origin)


def test_what_is_written_can_be_read(written):
    cuts, gaps = written["cuts"], written["infilling"]
    assert experiments.cut_bits(cuts, "exact").mean < experiments.cut_bits(cuts, "plain").mean
    assert experiments.tokens_per_byte(cuts).mean > 0.5
    assert len(gaps["gaps"]) == 2 and len(gaps["gaps"][0]) == 2
    assert 0 <= experiments.gap_score(gaps, "psm", "bytes", "similarity").mean <= 1
    assert experiments.ensemble_bits(written["ensembles"], "mix, all three").mean > 0
    assert experiments.distribution_means(written["tokenizations"], "valid")["conditionals"] == 0


def test_bad_input(models, byte_lm, text, tmp_path):
    with pytest.raises(CheckpointError, match="experiments cuts"):
        experiments.load_results("cuts", tmp_path)
    with pytest.raises(ArgumentError, match="name is 'speed'"):
        experiments.load_results("speed")
    with pytest.raises(ArgumentError, match="text has 40 bytes, expected 41"):
        experiments.measure_cuts(byte_lm, text[:40], range(30, 34))
    with pytest.raises(ArgumentError, match="step 1"):
        experiments.measure_cuts(byte_lm, text, range(30, 40, 2))
    with pytest.raises(ArgumentError, match="method is 'magic'"):
        experiments.measure_cuts(byte_lm, text, range(30, 31), ["magic"])
    with pytest.raises(ArgumentError, match="file is 'source/none.py'"):
        experiments.gaps(byte_lm, "source/none.py")
    with pytest.raises(ShapeError, match="one length"):
        experiments.measure_distributions([byte_lm], [b"a", b"bc"])
    with pytest.raises(ArgumentError, match="name is 'both'"):
        experiments.recompute_ensemble(models, "both", FILE, 4)
    with pytest.raises(ArgumentError, match="part is 'middle'"):
        experiments.cut_bits(CUTS, "exact", part="middle")
    with pytest.raises(ArgumentError, match="kind is 'poems'"):
        experiments.cut_bits(CUTS, "exact", kind="poems")
    with pytest.raises(ArgumentError, match="filler is 'luck'"):
        experiments.gap_score(GAPS, "psm", "luck")
    with pytest.raises(ArgumentError, match="distribution is 'all, 3'"):
        experiments.distribution_means(DISTRIBUTIONS, "all, 3")
    with pytest.raises(SystemExit):
        experiments.main(["speed"])


@pytest.fixture(scope="module")
def lab() -> dict[str, tuple]:
    return {role: load(f"lab-{role}", dtype=torch.float64) for role in ("target", "other", "draft")}


def test_recorded_cuts_hold_for_one_file(lab, text):
    recorded = experiments.load_results("cuts")
    number, first = recorded["files"].index(FILE), recorded["cuts"][0]
    again = experiments.measure_cuts(ByteLM(*lab["target"]), text, range(first, first + 3))
    for method, table in recorded["methods"].items():
        for measure, rows in table.items():
            assert again[method][measure] == pytest.approx(rows[number][:3], abs=6e-5)
    leaks = recorded["work"][number]["leaks"]
    assert again["work"]["leaks"] == pytest.approx(leaks[: first + 10], rel=0.06, abs=1e-12)


def test_recorded_gaps_hold_for_one_gap(lab):
    recorded = experiments.load_results("infilling")
    byte_lm, number = ByteLM(*lab["target"]), recorded["files"].index(FILE)
    places = experiments.gaps(byte_lm, FILE)
    assert [gap.middle.decode() for gap in places] == [gap["middle"] for gap in recorded["gaps"][number]]
    place = min(range(len(places)), key=lambda place: len(places[place].middle))
    again = experiments.measure_gaps(byte_lm, [places[place]], "spm")
    for filler, (found,) in again.items():
        then = recorded["fills"]["spm"][filler][number]
        assert found["text"] == then["text"][place]
        for measure in ("agrees", "exact", "similarity", "bits", "end_bits"):
            assert found[measure] == pytest.approx(then[measure][place], rel=1e-5)


def test_recorded_ensemble_holds_for_one_file(lab):
    recorded = experiments.load_results("ensembles")
    file = "english/09_module_shelf.txt"
    name, number = "product, target 0.5, other 0.5", recorded["files"].index(file)
    again = experiments.recompute_ensemble(lab, name, file, recorded["bytes"])
    assert again == pytest.approx(recorded["bits"][name][number], rel=1e-5)


def test_recorded_tokenization_holds_for_one_file(lab):
    recorded = experiments.load_results("tokenizations")
    read = experiments.heldout_bytes()[recorded["files"][0]][: recorded["bytes"]]
    again = experiments.measure_tokenization(ByteLM(*lab["target"]), read)
    then = recorded["distributions"]["valid"][0]
    for name in ("log_prob", "cover_log_prob", "leak", "tokens", "heads"):
        assert again[name] == pytest.approx(then[name], rel=1e-5)


def test_recorded_results_belong_to_the_shipped_weights_and_are_small():
    from tokenlab.lm.provenance import weights_digest

    for name in experiments.EXPERIMENTS:
        for model in experiments.load_results(name)["provenance"]["models"].values():
            assert model["weights_sha256"] == weights_digest(model["name"])
        assert (experiments.RESULTS / f"bytelevel_{name}.json").stat().st_size < 300_000


def test_recorded_results_are_whole():
    """Every file, place and method that the experiment names has its numbers, and no nan."""
    cuts, gaps = experiments.load_results("cuts"), experiments.load_results("infilling")
    texts = experiments.heldout_bytes()
    assert cuts["files"] == list(texts) == experiments.load_results("ensembles")["files"]
    width = cuts["cuts"][1] - cuts["cuts"][0] + 1
    for table in cuts["methods"].values():
        for rows in table.values():
            assert len(rows) == len(texts) and all(len(row) == width for row in rows)
    assert all(len(row) == len(cuts["transformers"]["cuts"]) for row in cuts["transformers"]["hit"])
    assert gaps["files"] == [file for file in texts if file.startswith("source")]
    assert all(len(row) == experiments.GAPS for row in gaps["gaps"])
    assert set(experiments.load_results("ensembles")["bits"]) == set(experiments.ENSEMBLES)
    for name in experiments.EXPERIMENTS:
        assert "NaN" not in json.dumps(experiments.load_results(name))
