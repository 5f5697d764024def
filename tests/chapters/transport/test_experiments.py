"""The recorded experiments, small: steps, rates, rounds, counts, the results files."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from tests.support.tiny_models import tiny_model
from tokenlab.chapters.transport import experiments
from tokenlab.chapters.transport.experiments import POSITIONS, SETTINGS, Setting, Steps
from tokenlab.errors import ArgumentError, CheckpointError, ShapeError
from tokenlab.lm import corpus
from tokenlab.transport import acceptance_rate, optimal_acceptance_rate
from tokenlab.transport.trees.verify import expected_accepted_length

VOCAB = 24


def random_model(seed: int, vocab: int = VOCAB):
    return tiny_model(vocab=vocab, seed=seed, positions=512, layers=1, hidden=16, heads=2, spread=0.5)


class Tokenizer:
    """Letters as tokens: enough to read files and to batch prompts of different lengths."""

    def __call__(self, texts, *, max_length=12, **options):
        from transformers import BatchEncoding

        texts = [texts] if isinstance(texts, str) else texts
        rows = [[3 + ord(letter) % (VOCAB - 3) for letter in text[:max_length]] for text in texts]
        width = max(map(len, rows))
        ids = torch.tensor([[2] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        return BatchEncoding({"input_ids": ids, "attention_mask": mask})


@pytest.fixture(scope="module")
def pair():
    return random_model(0), random_model(1)


@pytest.fixture(scope="module")
def files() -> list[str]:
    return experiments.file_names()[::8]


@pytest.fixture(scope="module")
def steps(pair, files) -> Steps:
    return experiments.read_steps(*pair, Tokenizer(), files)


def test_a_step_is_what_the_model_says_after_that_token(pair, files, steps):
    """Position n is the row that predicts token n + 1, and no other."""
    kind, _, name = files[1].partition("/")
    text = dict(corpus.heldout_files(kind))[name]
    for column, position in ((0, POSITIONS[0]), (-1, POSITIONS[-1])):
        ids = Tokenizer()(text, max_length=position + 1).input_ids
        for model, logits in zip(pair, (steps.target_logits, steps.draft_logits), strict=True):
            with torch.inference_mode():
                torch.testing.assert_close(logits[1, column], model(ids).logits[0, -1])


def test_steps_are_the_same_for_all_files_and_lie_inside_the_context(steps, files):
    assert steps.files == files and steps.target_logits.shape == (len(files), len(POSITIONS), VOCAB)
    assert len(experiments.file_names()) == 24 and max(POSITIONS) < 512
    assert set(experiments.FEW_POSITIONS) < set(POSITIONS)


def test_setting_probs_are_transformers_own(steps):
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

    logits = steps.target_logits
    warpers = LogitsProcessorList([TemperatureLogitsWarper(0.7), TopPLogitsWarper(0.8)])
    expected = warpers(None, logits.flatten(0, 1)).softmax(-1).view_as(logits)
    found = experiments.setting_probs(logits, Setting(0.7, 0.8))
    assert torch.equal(found, expected) and bool((found == 0).any())


def test_rates_are_the_means_of_each_file(steps):
    setting = SETTINGS["T = 0.5"]
    rates = experiments.measure_rates(steps, setting)
    assert list(rates) == list(experiments.SERIES)
    target, draft = (
        experiments.setting_probs(logits, setting) for logits in (steps.target_logits, steps.draft_logits)
    )
    for name, rule, sampling in (("kseq", "kseq", "iid"), ("greedy", "greedy", "greedy")):
        for number, k in ((0, 1), (3, 4)):
            for file in range(len(steps.files)):
                alone = [
                    acceptance_rate(p, q, k, rule, sampling).item()
                    for p, q in zip(target[file], draft[file], strict=True)
                ]
                assert rates[name][number][file] == pytest.approx(sum(alone) / len(alone), abs=1e-12)


@pytest.mark.parametrize("label", ["T = 0.25", "T = 1.5", "T = 1, top-p 0.9"])
def test_order_of_the_rules_and_growth_with_drafts(steps, label):
    """What is proved for i.i.d. drafts must show in every mean."""
    rates = experiments.measure_rates(steps, SETTINGS[label])
    order = ("target_only", "naive", "recursive", "kseq", "optimal")
    for lower, higher in itertools.pairwise(order):
        for low, high in zip(rates[lower], rates[higher], strict=True):
            assert all(a <= b + 1e-12 for a, b in zip(low, high, strict=True))
    for row in rates.values():
        assert all(a <= b + 1e-12 for few, more in itertools.pairwise(row) for a, b in zip(few, more))
    assert ("greedy" in rates) == ("top-p" not in label)


def test_without_replacement_two_drafts_are_exact_and_more_are_close(steps):
    few = Steps(steps.files, steps.target_logits[:, :2], steps.draft_logits[:, :2])
    target, draft = (
        experiments.setting_probs(x, SETTINGS["T = 1"]) for x in (few.target_logits, few.draft_logits)
    )
    two = experiments.measure_without_replacement(few, SETTINGS["T = 1"], 2)
    assert two["standard_error"] == two["quadrature_error"] == 0
    expected = acceptance_rate(target, draft, 2, "recursive", "without_replacement").mean(-1)
    assert two["rates"]["recursive"] == pytest.approx(expected.tolist())
    three = experiments.measure_without_replacement(few, SETTINGS["T = 1"], 3)
    # 24 tokens cannot be enumerated three at a time; the rule may not exceed its optimum.
    mean = {name: sum(values) / len(values) for name, values in three["rates"].items()}
    assert mean["recursive"] < mean["optimal"] + 4 * three["standard_error"]
    assert mean["optimal, iid"] < mean["optimal"] and 0 < three["standard_error"] < 0.02
    expected = optimal_acceptance_rate(target, draft, 3, "without_replacement").mean(-1)
    assert three["rates"]["optimal"] == pytest.approx(expected.tolist())


def test_standard_error_is_that_of_the_mean(steps, monkeypatch):
    """Estimates of other drafts scatter as much as the error says: seeds as a second opinion."""
    few = Steps(steps.files, steps.target_logits[:, :2], steps.draft_logits[:, :2])
    monkeypatch.setattr(experiments, "FEW_SAMPLES", 16)
    means, errors = [], []
    for seed in range(20):
        monkeypatch.setattr(experiments, "SEED", seed)
        found = experiments.measure_without_replacement(few, SETTINGS["T = 1"], 3)
        means.append(sum(found["rates"]["recursive"]) / len(few.files))
        errors.append(found["standard_error"])
    scatter = torch.tensor(means).std().item()
    assert 0.6 < scatter / (sum(errors) / len(errors)) < 1.5


@pytest.mark.parametrize(
    ("rule", "sampling", "branching"),
    [
        ("recursive", "without_replacement", (3, 2, 1)),
        ("greedy", "greedy", (2, 2)),
        ("kseq", "iid", (3, 1, 1)),
        ("traversal", "iid", (1, 1, 1)),
    ],
)
def test_a_round_reads_every_path_from_its_beginning(pair, rule, sampling, branching):
    text = torch.tensor([[0, 5, 9]])
    generator = torch.Generator().manual_seed(4)
    found = experiments.decode_round(
        *pair, text, branching, rule=rule, sampling=sampling, generator=generator, setting=Setting(0.8)
    )
    tree = found.tree
    sizes = [math.prod(branching[: level + 1]) for level in range(len(branching))]
    assert len(tree) == sum(sizes) and [tree.depths.tolist().count(d + 1) for d in range(len(sizes))] == sizes
    for node in (-1, *range(len(tree))):
        path = tree.tokens[tree.path(node)].unsqueeze(0)
        for model, rows in zip(pair, (found.target_probs, tree.draft_probs), strict=True):
            with torch.inference_mode():
                expected = (model(torch.cat([text, path], 1)).logits[0, -1] / 0.8).softmax(-1)
            torch.testing.assert_close(rows[node + 1], expected)
    tokens, nodes = found.verified
    assert len(tokens) == len(nodes) + 1 and torch.equal(tokens[:-1], tree.tokens[nodes])


def test_rounds_hang_on_the_generator_alone(pair):
    text = torch.tensor([[0, 5, 9]])
    seeds = (0, 0, 1)
    found = [
        experiments.decode_round(*pair, text, generator=torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    assert torch.equal(found[0].tree.tokens, found[1].tree.tokens)
    assert torch.equal(found[0].verified.tokens, found[1].verified.tokens)
    assert not torch.equal(found[0].tree.tokens, found[2].tree.tokens)


def test_counts_of_texts_are_those_of_generate(pair):
    way = experiments.WAYS["3 sequences of 4, K-SEQ"]
    counts = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 4, new_tokens=9)
    assert len(counts["tokens"]) == len(counts["calls"]) == 8
    for tokens, calls in zip(counts["tokens"], counts["calls"], strict=True):
        assert 1 <= tokens <= 9 and math.ceil(tokens / 5) <= calls <= tokens
    again = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 4, new_tokens=9)
    other = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 4, new_tokens=9, seed=1)
    assert again == counts != other


def test_equal_models_accept_everything(pair):
    """A count that forgot the target's own token, or a round, would show here."""
    way = {"structure": "chain", "draft_length": 3}
    counts = experiments.measure_texts(pair[0], pair[0], Tokenizer(), way, Setting(), 0, new_tokens=8)
    full = [calls for tokens, calls in zip(counts["tokens"], counts["calls"], strict=True) if tokens == 8]
    assert full and set(full) == {2}


def test_every_way_runs_and_drafts_what_its_name_says(pair):
    for name, way in experiments.WAYS.items():
        budget = 4 if name.startswith("chain of 4") else 32 if name.startswith("8") else 12
        drafts, length = way.get("num_drafts", 1), way["draft_length"]
        if way["structure"] == "without_replacement":
            drafted = sum(math.prod(drafts[: level + 1]) for level in range(length))
        else:
            drafted = drafts if way["structure"] == "dynamic" else drafts * length
        assert drafted == budget, name
        counts = experiments.measure_texts(*pair, Tokenizer(), way, Setting(), 0, new_tokens=4)
        assert max(counts["tokens"]) <= 4


def test_rules_of_a_round_are_compared_on_the_same_trees(pair):
    sampling, branching, rules = experiments.ROUND_WAYS["3 sequences of 4"]
    found = experiments.measure_rounds(*pair, Tokenizer(), "3 sequences of 4", Setting(), 6, trees=2)
    assert list(found) == list(rules)
    ids = Tokenizer()(corpus.prompts()[6]["text"]).input_ids
    generator = torch.Generator().manual_seed(6)
    trees = [
        experiments.draft_tree(*pair, ids, branching, sampling=sampling, generator=generator)
        for _ in range(2)
    ]
    for rule in rules:
        expected = [1 + expected_accepted_length(tree, probs, rule) for tree, probs in trees]
        assert found[rule] == pytest.approx(sum(expected) / 2)
    assert found["target_only"] < found["recursive"]


def test_equal_models_accept_whole_chains(pair):
    found = experiments.measure_rounds(pair[0], pair[0], Tokenizer(), "chain of 4", Setting(), 0, trees=1)
    assert found == pytest.approx({"recursive": 5.0, "block": 5.0})


def test_every_way_of_a_round_drafts_as_many_tokens_as_its_texts(pair):
    for way, (_, branching, rules) in experiments.ROUND_WAYS.items():
        drafted = sum(math.prod(branching[: level + 1]) for level in range(len(branching)))
        assert drafted == (4 if way.startswith("chain") else 12)
        found = experiments.measure_rounds(*pair, Tokenizer(), way, Setting(), 1, trees=1)
        assert set(found) == set(rules) and all(1 <= value <= 5 for value in found.values())


def test_interval_is_students():
    from scipy.stats import t

    values = [0.2, 0.5, 0.4, 0.7]
    low, high = t.interval(0.95, 3, loc=0.45, scale=torch.tensor(values).double().std().item() / 2)
    assert experiments.interval(values) == pytest.approx((0.45, low, high), abs=1e-5)
    assert all(type(bound) is float for bound in experiments.interval(values))


def test_gaps_are_compared_file_by_file():
    rates = {"T = 1": {"optimal": [[0.9, 0.5]], "kseq": [[0.8, 0.4]]}}
    results = {"num_drafts": [4], "rates": rates}
    # The files differ by far more than the rules: an unpaired interval would hide the gap.
    assert experiments.gap(results, "T = 1", "kseq", 4) == pytest.approx((0.1, 0.1, 0.1))
    low, high = experiments.rate(results, "T = 1", "kseq", 4)[1:]
    assert high - low > 1


def test_advantages_on_rounds_are_compared_tree_by_tree():
    results = {"rounds": {"T = 1": {"a": {"kseq": [2.0, 4.0], "naive": [1.5, 3.5]}}}}
    assert experiments.round_tokens(results, "T = 1", "a", "kseq").mean == 3
    advantage = experiments.round_advantage(results, "T = 1", "a", "kseq", "naive")
    assert advantage == pytest.approx((0.5, 0.5, 0.5))


def test_advantages_are_compared_prompt_by_prompt():
    texts = {"T = 1": {"a": {"tokens": [6, 12], "calls": [2, 3]}, "b": {"tokens": [4, 9], "calls": [2, 3]}}}
    results = {"texts": texts}
    assert experiments.efficiency(results, "T = 1", "a").mean == 3.5
    assert experiments.advantage(results, "T = 1", "a", "b") == pytest.approx((1, 1, 1))


@pytest.fixture(scope="module")
def written(pair, tmp_path_factory):
    """Both commands on the tiny pair, with one setting, two cells and one way."""
    from tokenlab import lm

    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            lm, "load", lambda name, dtype: (pair[0] if name == "lab-target" else pair[1], Tokenizer())
        )
        patch.setattr(experiments, "SETTINGS", {"T = 1": Setting()})
        patch.setattr(experiments, "FEW_CELLS", (("T = 1", 2), ("T = 1", 4)))
        patch.setattr(experiments, "FEW_SAMPLES", 4)
        patch.setattr(experiments, "TEXT_SETTINGS", {"T = 1": Setting()})
        patch.setattr(experiments, "WAYS", {"chain of 4": experiments.WAYS["chain of 4"]})
        patch.setattr(experiments, "NEW_TOKENS", 4)
        ways = {"chain of 4": experiments.ROUND_WAYS["chain of 4"]}
        patch.setattr(experiments, "ROUND_WAYS", ways)
        patch.setattr(experiments, "TREES", 1)
        for name in experiments.EXPERIMENTS:
            experiments.main([name, "--folder", str(folder)])
    return {name: experiments.load_results(name, folder) for name in experiments.EXPERIMENTS}


@pytest.mark.parametrize("name", list(experiments.EXPERIMENTS))
def test_results_are_written_with_their_provenance(written, name):
    origin = written[name]["provenance"]
    assert origin["command"] == f"python -m tokenlab.chapters.transport.experiments {name}"
    assert {role: model["name"] for role, model in origin["models"].items()} == {
        "target": "lab-target",
        "draft": "lab-draft",
    }
    assert all(len(model["weights_sha256"]) == 64 for model in origin["models"].values())
    assert {"device", "dtype", "date", "versions", "threads", "seconds"} <= set(origin)


def test_recomputation_gives_what_was_recorded(pair, written):
    found = written["acceptance"]
    file = found["files"][5]
    again = experiments.recompute_acceptance(*pair, Tokenizer(), "T = 1", file)
    for series, row in again.items():
        recorded = [values[5] for values in found["rates"]["T = 1"][series]]
        assert row == pytest.approx(recorded, rel=1e-5)
    other = experiments.recompute_acceptance(pair[1], pair[0], Tokenizer(), "T = 1", file)
    assert other["greedy"] != pytest.approx(again["greedy"], rel=1e-3)


def test_bad_input(pair, tmp_path, written):
    with pytest.raises(CheckpointError, match="experiments decoding"):
        experiments.load_results("decoding", tmp_path)
    with pytest.raises(ArgumentError, match="name is 'speed'"):
        experiments.load_results("speed")
    with pytest.raises(ArgumentError, match="file is 'source/none.py'"):
        experiments.read_steps(*pair, Tokenizer(), ["source/none.py"])
    with pytest.raises(ArgumentError, match="positions reach 90000, but source/"):
        experiments.read_steps(*pair, Tokenizer(), experiments.file_names()[:1], [90_000])
    with pytest.raises(ShapeError, match="target has 24 tokens, draft has 30"):
        experiments.read_steps(pair[0], random_model(2, 30), Tokenizer(), experiments.file_names()[:1])
    with pytest.raises(ArgumentError, match="label is 'T = 9'"):
        experiments.recompute_acceptance(*pair, Tokenizer(), "T = 9", "x")
    with pytest.raises(ArgumentError, match="way is 'beam'"):
        experiments.recompute_texts(*pair, Tokenizer(), "T = 1", "beam", 0)
    with pytest.raises(ArgumentError, match="way is 'beam'"):
        experiments.recompute_rounds(*pair, Tokenizer(), "T = 1", "beam", 0)
    with pytest.raises(ArgumentError, match="number is 40"):
        experiments.recompute_rounds(*pair, Tokenizer(), "T = 1", "chain of 4", 40)
    with pytest.raises(ArgumentError, match="rule is 'kseq'"):
        experiments.round_tokens(written["rounds"], "T = 1", "chain of 4", "kseq")
    with pytest.raises(ArgumentError, match="batch is 5, expected 0 to 4"):
        experiments.measure_texts(*pair, Tokenizer(), {}, Setting(), 5)
    with pytest.raises(ArgumentError, match="num_drafts is '9'"):
        experiments.rate(written["acceptance"], "T = 1", "kseq", 9)
    with pytest.raises(ShapeError, match="values has 1 entries"):
        experiments.interval([0.5])
    with pytest.raises(SystemExit):
        experiments.main(["speed"])


@pytest.fixture(scope="module")
def lab():
    from tokenlab.lm import load

    target, tokenizer = load("lab-target", dtype=torch.float64)
    return target, load("lab-draft", dtype=torch.float64)[0], tokenizer


@pytest.mark.parametrize("label", ["T = 1", "T = 1, top-p 0.9"])
def test_recorded_acceptance_holds_for_one_file(lab, label):
    recorded = experiments.load_results("acceptance")
    number = 17
    again = experiments.recompute_acceptance(*lab, label, recorded["files"][number])
    assert set(again) == set(recorded["rates"][label])
    for series, row in again.items():
        assert row == pytest.approx([values[number] for values in recorded["rates"][label][series]], rel=6e-6)


def test_recorded_texts_hold_for_one_batch(lab):
    recorded = experiments.load_results("decoding")
    for way in ("chain of 4", "tree 3-1-1-1, recursive"):
        again = experiments.recompute_texts(*lab, "T = 1", way, 2)
        assert again == {name: counts[16:24] for name, counts in recorded["texts"]["T = 1"][way].items()}


def test_recorded_rounds_hold_for_one_prompt(lab):
    recorded = experiments.load_results("rounds")
    for way in ("3 sequences of 4", "tree 3-1-1-1"):
        again = experiments.recompute_rounds(*lab, "T = 1", way, 11)
        for rule, value in again.items():
            assert value == pytest.approx(recorded["rounds"]["T = 1"][way][rule][11], rel=6e-6)


def test_recorded_without_replacement_holds_for_two_drafts(lab):
    """The cell that has no estimate in it."""
    recorded = experiments.load_results("acceptance")["without_replacement"]
    (cell,) = [cell for cell in recorded["cells"] if cell["num_drafts"] == 2]
    file = experiments.file_names()[3]
    steps = experiments.read_steps(*lab, [file], recorded["positions"])
    again = experiments.measure_without_replacement(steps, SETTINGS[cell["setting"]], 2)
    for series, (value,) in again["rates"].items():
        assert value == pytest.approx(cell["rates"][series][3], rel=6e-6)


def test_recorded_results_belong_to_the_shipped_weights():
    from tokenlab.lm.provenance import weights_digest

    for name in experiments.EXPERIMENTS:
        for model in experiments.load_results(name)["provenance"]["models"].values():
            assert model["weights_sha256"] == weights_digest(model["name"])
