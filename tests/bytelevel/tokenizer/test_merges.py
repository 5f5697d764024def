"""Valid pairs against the tokenizers library, which encodes the two strings again."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from functools import cache, cached_property
from types import ModuleType

import numpy as np
import pytest
from tokenizers import Tokenizer, models, trainers

from tests.support.planting import changed
from tokenlab.bytelevel.tokenizer import merges as module
from tokenlab.bytelevel.tokenizer.merges import MergeTable
from tokenlab.errors import ArgumentError, DtypeError, ShapeError
from tokenlab.lm.corpus import ASSETS, heldout_text

#: How the merges of a random vocabulary are chosen and ranked.
KINDS = ("as trained", "every split", "by result", "shuffled", "shuffled, every split", "one letter")


COUNT = 50


class Vocabulary:
    """Tokens as strings, merges as pairs of strings, and the library's BPE without a pre-tokenizer."""

    def __init__(self, tokens: list[str], merges: list[tuple[str, str]]) -> None:
        self.tokens, self.merges = tokens, merges
        self.ids = {token: number for number, token in enumerate(tokens)}
        self.tokenizer = Tokenizer(models.BPE(vocab=self.ids, merges=merges))

    def table(self, made_by: ModuleType = module) -> MergeTable:
        merges = [(self.ids[a], self.ids[b], self.ids[a + b]) for a, b in self.merges]
        base = [number for token, number in self.ids.items() if len(token) == 1]
        return made_by.MergeTable(merges, base, len(self.tokens))

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]

    def stands(self, sequences: list[tuple[int, ...]]) -> list[bool]:
        """Whether each sequence is what its text is encoded to."""
        texts = ["".join(self.tokens[token] for token in sequence) for sequence in sequences]
        return [ids == list(sequence) for ids, sequence in zip(self.encode(texts), sequences)]

    @cached_property
    def reachable(self) -> np.ndarray:
        return np.array(self.stands([(token,) for token in range(len(self.tokens))]))

    @cached_property
    def valid(self) -> np.ndarray:
        """[left, right]: whether the two give themselves back."""
        size = len(self.tokens)
        return np.array(self.stands(list(itertools.product(range(size), repeat=2)))).reshape(size, size)


def random_vocabulary(kind: str, seed: int) -> Vocabulary:
    chance = random.Random(f"{kind} {seed}")
    tokens = ["a"] if kind == "one letter" else list("abcd"[: chance.randint(2, 4)])
    longest = chance.choice([3, 5, 8, 12])
    merges = []
    for _ in range(chance.randint(1, 40)):
        pair = chance.choice(tokens), chance.choice(tokens)
        if len("".join(pair)) > longest:
            continue
        # A pair that is listed again now and then: the later rank holds.
        if pair not in merges or chance.random() < 0.1:
            merges.append(pair)
        tokens = list(dict.fromkeys([*tokens, "".join(pair)]))
    if kind in ("every split", "by result", "shuffled, every split", "one letter"):
        share = chance.choice([0.5, 1])
        splits = ((token[:cut], token[cut:]) for token in tokens for cut in range(1, len(token)))
        merges += [
            pair
            for pair in splits
            if set(pair) <= set(tokens) and pair not in merges and chance.random() < share
        ]
    if kind.startswith("shuffled") or kind == "one letter":
        chance.shuffle(merges)
    if kind == "by result":
        score = {token: chance.random() for token in tokens}
        merges.sort(key=lambda pair: score["".join(pair)])
    chance.shuffle(tokens)
    return Vocabulary(tokens, merges)


@cache
def random_vocabularies(kind: str) -> list[Vocabulary]:
    return [random_vocabulary(kind, seed) for seed in range(COUNT)]


def rows(table: MergeTable) -> np.ndarray:
    return np.stack([table.follows(left) for left in range(table.vocab_size)])


def pairs_one_by_one(table: MergeTable) -> np.ndarray:
    size = range(table.vocab_size)
    return np.array([[table.is_valid_pair(left, right) for right in size] for left in size])


#: What a table answers, and what the library says.
PARTS = {
    "reachable": (lambda table: table.reachable, lambda vocabulary: vocabulary.reachable),
    "follows": (rows, lambda vocabulary: vocabulary.valid),
    "is_valid_pair": (pairs_one_by_one, lambda vocabulary: vocabulary.valid),
}


def wrong_vocabularies(part: str, kind: str, made_by: ModuleType = module) -> Iterator[Vocabulary]:
    """The vocabularies of one kind on which a module and the library disagree."""
    found, expected = PARTS[part]
    for vocabulary in random_vocabularies(kind):
        if (found(vocabulary.table(made_by)) != expected(vocabulary)).any():
            yield vocabulary


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", PARTS)
def test_tables_agree_with_encoding_again(part, kind):
    assert [vocabulary.merges for vocabulary in wrong_vocabularies(part, kind)] == []


def test_the_random_vocabularies_hold_what_is_hard():
    """Tokens that are never reached, merges that are never a last step, ranks that go down."""
    vocabularies = [vocabulary for kind in KINDS for vocabulary in random_vocabularies(kind)]
    unreached = [vocabulary for vocabulary in vocabularies if not vocabulary.reachable.all()]
    repeated = [v for v in vocabularies if len({a + b for a, b in v.merges}) < len(set(v.merges))]
    listed_again = [v for v in vocabularies if len(set(v.merges)) < len(v.merges)]
    falling = [vocabulary for vocabulary in vocabularies if has_falling_ranks(vocabulary)]
    share = np.mean([vocabulary.valid.mean() for vocabulary in vocabularies])
    assert min(map(len, (unreached, repeated, listed_again, falling))) > 50
    assert 0.3 < share < 0.7


def has_falling_ranks(vocabulary: Vocabulary) -> bool:
    """Whether a merge stands before all that make one of its parts."""
    earliest = {}
    for rank, (left, right) in enumerate(vocabulary.merges):
        earliest.setdefault(left + right, rank)
    return any(
        rank < earliest.get(part, -1) for rank, merge in enumerate(vocabulary.merges) for part in merge
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_is_valid_if_its_neighbours_are(kind):
    chance = random.Random(kind)
    for vocabulary in random_vocabularies(kind):
        table = vocabulary.table()
        # Half of them grown from tokens that may follow, so that long valid ones are among them.
        sequences = [random_walk(table, chance, follow=number % 2 == 0) for number in range(60)]
        sequences = [sequence for sequence in sequences if len(sequence) > 2]
        for sequence, stands in zip(sequences, vocabulary.stands(sequences), strict=True):
            assert stands == all(map(table.is_valid_pair, sequence, sequence[1:])), sequence


def random_walk(table: MergeTable, chance: random.Random, *, follow: bool) -> tuple[int, ...]:
    reachable = table.reachable.nonzero()[0].tolist()
    sequence = [chance.choice(reachable)]
    while len(sequence) < chance.randint(3, 7):
        choices = table.follows(sequence[-1]).nonzero()[0].tolist() if follow else reachable
        if not choices:
            break
        sequence.append(chance.choice(choices))
    return tuple(sequence)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_valid_encodings_are_valid(kind):
    chance = random.Random(kind)
    for vocabulary in random_vocabularies(kind)[:20]:
        symbols = [token for token in vocabulary.tokens if len(token) == 1]
        texts = ["".join(chance.choices(symbols, k=20)) for _ in range(3)]
        parts = {
            tuple(ids[start:stop])
            for ids in vocabulary.encode(texts)
            for start, stop in itertools.combinations(range(len(ids) + 1), 2)
        }
        assert all(vocabulary.stands(list(parts)))


@pytest.mark.parametrize("left", ["a", "aa", "aaa"])
def test_equal_letters_are_merged_from_the_left(left):
    vocabulary = Vocabulary(["a", "aa", "aaa"], [("a", "a"), ("aa", "a")])
    # aaaa is aa, aa; aaaaa is aa, aaa; and aaaaaa is three times aa.
    follows = {"a": [], "aa": ["aa", "aaa"], "aaa": []}
    found = vocabulary.table().follows(vocabulary.ids[left])
    assert [vocabulary.tokens[token] for token in found.nonzero()[0]] == follows[left]


def test_a_merge_that_waits_for_its_part_goes_by_rank():
    """(x, ab) and (ab, y) appear together when ab does, though both ranks are below that of ab."""
    tokens = ["x", "a", "b", "y", "ab", "xab", "aby"]
    left_first = Vocabulary(tokens, [("x", "ab"), ("ab", "y"), ("a", "b")])
    right_first = Vocabulary(tokens, [("ab", "y"), ("x", "ab"), ("a", "b")])
    for vocabulary, expected in (left_first, True), (right_first, False):
        xab, y = vocabulary.ids["xab"], vocabulary.ids["y"]
        assert vocabulary.table().is_valid_pair(xab, y) is expected
        assert bool(vocabulary.valid[xab, y]) is expected


def from_file(name: str) -> Vocabulary:
    """A lab tokenizer without normaliser and pre-tokenizer: its strings are taken as they are."""
    path = ASSETS / "models" / name / "tokenizer.json"
    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return Vocabulary(tokens, [(left, right) for left, right in model["merges"]])


def trained_on_heldout_text() -> Vocabulary:
    tokenizer = Tokenizer(models.BPE())
    lines = [line for kind in ("english", "source") for line in heldout_text(kind).splitlines()]
    trainer = trainers.BpeTrainer(vocab_size=8000, min_frequency=1, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return Vocabulary(tokens, [(left, right) for left, right in model["merges"]])


REAL = {
    "lab-target": lambda: from_file("lab-target"),
    "lab-other": lambda: from_file("lab-other"),
    "trained without a pre-tokenizer": trained_on_heldout_text,
}


@pytest.fixture(scope="module", params=REAL)
def real(request) -> tuple[Vocabulary, MergeTable]:
    vocabulary = REAL[request.param]()
    return vocabulary, vocabulary.table()


def test_every_token_that_gives_itself_back_is_reachable(real):
    vocabulary, table = real
    special = np.array([token.startswith("<") and len(token) > 1 for token in vocabulary.tokens])
    assert (table.reachable == vocabulary.reachable)[~special].all()
    assert table.reachable.sum() > 3500


def test_random_pairs_are_valid_if_encoding_them_again_gives_them_back(real):
    vocabulary, table = real
    chance = random.Random(0)
    reachable = table.reachable.nonzero()[0].tolist()
    pairs = [(chance.choice(reachable), chance.choice(reachable)) for _ in range(10_000)]
    # Where it is close: the two sides of a cut through a token, and what stands after it.
    longer = [token for token in reachable if len(vocabulary.tokens[token]) > 1]
    for token in chance.choices(longer, k=5_000):
        text = vocabulary.tokens[token]
        cut = chance.randint(1, len(text) - 1)
        pairs += itertools.pairwise(vocabulary.encode([text[:cut]])[0] + vocabulary.encode([text[cut:]])[0])
    stands = vocabulary.stands(pairs)
    assert [table.is_valid_pair(left, right) for left, right in pairs] == stands
    assert 1000 < sum(stands) < len(pairs) - 1000


def test_whole_rows_are_valid_if_encoding_them_again_gives_them_back(real):
    vocabulary, table = real
    reachable = table.reachable.nonzero()[0]
    # Those that forbid most, and some others.
    symbols = [token for token in reachable.tolist() if len(vocabulary.tokens[token]) == 1]
    most = sorted(symbols, key=lambda token: table.follows(token).sum())[:3]
    for left in [*most, *random.Random(1).choices(reachable.tolist(), k=5)]:
        expected = vocabulary.stands([(left, right) for right in reachable.tolist()])
        assert table.follows(left)[reachable].tolist() == expected


#: What is replaced in the source, by what, and the parts that must then be wrong.
MISTAKES = {
    "a crossing merge of the rank of the left token's own is taken": (
        "while self._rank_of(left, right) >= limit:",
        "while self._rank_of(left, right) > limit:", {"is_valid_pair"}),
    "the same, for rows": (
        "crosses = self._rule_rank[start:stop] < limit",
        "crosses = self._rule_rank[start:stop] <= limit", {"follows"}),
    "a crossing merge of the rank of the right token's own is left out": (
        "limit, right = self._right_limit.item(right) + 1,",
        "limit, right = self._right_limit.item(right),", {"is_valid_pair"}),
    "the same, for derivations": (
        "self._right_limit[right] + 1)", "self._right_limit[right])", {"reachable"}),
    "at equal build ranks the right neighbour is built first": (
        "crosses &= self._right_build_rank[start:stop] < build_rank",
        "crosses &= self._right_build_rank[start:stop] <= build_rank", {"follows"}),
    "the left edge ends one step short": (
        "while left >= 0:", "while not rules or self._last[left] >= 0:", {"follows"}),
    "the right edge ends one step short": (
        "elif self._build_rank.item(right) >= 0:",
        "elif self._first.item(right) >= 0 and self._build_rank.item(self._first.item(right)) >= 0:",
        {"is_valid_pair"}),
    "the last part itself is not forbidden": (
        "np.stack([position[b] + 1, ", "np.stack([position[b], ", {"follows"}),
    "every merge is taken for a last step": (
        "runs[runs] = ~self._crossed(first[runs], last[runs])", "pass", {"reachable"}),
    "a cascade on the left waits for its build rank": (
        "np.where(build_rank == after, rank, build_rank)", "build_rank", {"follows", "is_valid_pair"}),
    "a cascade on the right waits for its build rank": (
        "np.where(cascade, rank, build_rank)", "build_rank", {"follows", "is_valid_pair"}),
    "a cascade on the right does not wait for its last part": (
        " & (after < build_rank)", "", {"is_valid_pair"}),
    "a token appears at its rank": (
        "np.maximum(rank, np.maximum(before, after))", "rank + 0", {"follows", "is_valid_pair"}),
    "the left token is always there in time": (
        "np.where(waits, np.maximum(rank, self._build_rank[a]), rank)", "rank", {"follows"}),
    "children are sorted by rank": (
        "_child_key(self._first[made], self._right_limit[made])",
        "_child_key(self._first[made], self._rank[made])", {"follows"}),
    "of a pair listed twice the first rank holds": (
        "np.append(~same, True)", "np.append(True, ~same)", {"follows", "is_valid_pair"}),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake):
    old, new, parts = MISTAKES[mistake]
    planted = ModuleType("planted_merges")
    exec(changed(module, old, new), planted.__dict__)
    if "follows" not in parts:
        # A token may now have two derivations, and no order of positions can be made of them.
        planted.MergeTable._index = lambda *args: None
    for part in parts:
        assert any(any(wrong_vocabularies(part, kind, planted)) for kind in reversed(KINDS)), part


def test_rows_are_read_only_and_remembered_within_limits(monkeypatch):
    table = random_vocabulary("as trained", 0).table()
    monkeypatch.setattr(module, "CACHE_BYTES", 2 * table.vocab_size)
    with pytest.raises(ValueError, match="read-only"):
        table.follows(0)[0] = True
    with pytest.raises(ValueError, match="read-only"):
        table.reachable[0] = False
    first, second = table.follows(0), table.follows(1)
    assert table.follows(0) is first
    table.follows(2)
    # Row 1 was asked for before row 0.
    assert table.follows(0) is first
    assert table.follows(1) is not second


def test_no_row_is_remembered_that_is_larger_than_the_limit(monkeypatch):
    table = random_vocabulary("as trained", 0).table()
    monkeypatch.setattr(module, "CACHE_BYTES", 1)
    assert (rows(table) == pairs_one_by_one(table)).all()


def test_without_merges_all_symbols_stand_side_by_side():
    table = MergeTable([], base=[0, 2], vocab_size=3)
    assert table.reachable.tolist() == [True, False, True]
    assert rows(table).tolist() == [[True, False, True], [False] * 3, [True, False, True]]
    assert (pairs_one_by_one(table) == rows(table)).all()


def test_a_merge_of_parts_that_nothing_makes_never_runs():
    table = MergeTable([(0, 3, 4), (0, 1, 2)], base=[0, 1], vocab_size=5)
    assert table.reachable.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("merges", "base", "vocab_size", "error", "message"),
    [
        ([(0, 1, 2)], [0, 1], 0, ArgumentError, "vocab_size is 0, expected 1 to"),
        ([(0, 1, 2)], [0, 1], 3.0, DtypeError, "vocab_size must be an int, found float"),
        ([(0, 1, 3)], [0, 1], 3, ArgumentError, "merges holds the id 3, expected 0 to 2"),
        ([(0, 1, -1)], [0, 1], 3, ArgumentError, "merges holds the id -1, expected 0 to 2"),
        ([(0, 1)], [0, 1], 3, ShapeError, r"merges has shape \(1, 2\), expected triples"),
        ([(0, 1, 2), (0, 1)], [0, 1], 3, ShapeError, "merges has entries of different lengths"),
        ([("a", "b", "ab")], [0, 1], 3, DtypeError, "merges holds <U2, expected whole numbers"),
        ([(0, 1, 2.0)], [0, 1], 3, DtypeError, "merges holds float64, expected whole numbers"),
        ([(0, 1, 2)], [0, 1, 5], 3, ArgumentError, "base holds the id 5, expected 0 to 2"),
        ([(0, 1, 2)], [(0, 1)], 3, ShapeError, r"base has shape \(1, 2\), expected a flat list"),
        ([(0, 1, 2)], [0, 1, 2], 3, ArgumentError, r"token 2 of \(0, 1\), which has other symbols"),
        ([(0, 1, 2), (1, 0, 2)], [0, 1], 3, ArgumentError, "merges makes token 2 of .* other symbols"),
        ([(0, 1, 2), (1, 0, 3), (0, 1, 3)], [0, 1], 4, ArgumentError, "other symbols"),
    ],
)
def test_wrong_merges_are_refused(merges, base, vocab_size, error, message):
    with pytest.raises(error, match=message):
        MergeTable(merges, base, vocab_size)


def test_a_pair_with_two_results_is_refused():
    """Ids 2 and 3 have the same symbols; of the pair (0, 1) only one can be made."""
    with pytest.raises(ArgumentError, match="the pair of merge 0 again, with another result"):
        MergeTable([(0, 1, 2), (0, 1, 3)], base=[0, 1], vocab_size=4)


@pytest.mark.parametrize("token", [-1, 3])
def test_tokens_outside_of_the_vocabulary_are_refused(token):
    table = MergeTable([(0, 1, 2)], base=[0, 1], vocab_size=3)
    with pytest.raises(ArgumentError, match=f"left is {token}, expected 0 to 2"):
        table.follows(token)
    with pytest.raises(ArgumentError, match=f"left is {token}, expected 0 to 2"):
        table.is_valid_pair(token, 0)
    with pytest.raises(ArgumentError, match=f"right is {token}, expected 0 to 2"):
        table.is_valid_pair(0, token)
    with pytest.raises(DtypeError, match="left must be an int, found str"):
        table.follows("a")
