"""Pictures of rounds of decoding are tested on their data, and on where their letters stand."""

from __future__ import annotations

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.transport import result_figures
from tokenlab.chapters.transport.experiments import Round
from tokenlab.chapters.transport.result_figures.sheet import words
from tokenlab.errors import ShapeError
from tokenlab.figures import BLUE, GREY, INK, ORANGE, player
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import VerifiedPath

TEXTS = ["a", " the", "\n    ", "$x"]


def drawn_round(nodes: list[int], final: int) -> Round:
    """Two branches of two and one, over a vocabulary of four; the path is given."""
    rows = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).repeat(4, 1)
    tree = DraftTree(torch.tensor([3, 2, 0]), torch.tensor([-1, -1, 0]), rows, "without_replacement")
    path = torch.tensor(nodes, dtype=torch.long)
    return Round(tree, rows, VerifiedPath(torch.cat([tree.tokens[path], torch.tensor([final])]), path))


def trees(*rounds: Round):
    return result_figures.round_trees(rounds, TEXTS.__getitem__, prompt=[1, 0])


ROUNDS = [([" the", "\n    "], 3), (["a"], 3)]


def by_call():
    return result_figures.text_by_call(["if", " x"], ["a", " the"], ROUNDS)


@pytest.mark.parametrize(
    "draw", [lambda: trees(drawn_round([0], 1)), by_call], ids=["round_trees", "text_by_call"]
)
def test_every_figure_shows_and_describes_itself(draw):
    def last():
        frames, data = draw()
        return frames[-1], data | {"alt": data["alt"][-1]}

    assert_shows_and_describes_itself(last, smallest=10)
    assert overlapping_texts(last()[0]) == []


def test_round_trees_tell_accepted_rejected_and_final_tokens():
    frames, data = trees(drawn_round([0], 1), drawn_round([0, 2], 1), drawn_round([], 0), drawn_round([1], 0))
    first, second, third, fourth = data["rounds"]
    assert first["accepted"] == [0] and first["rejected"] == [2] and first["kind"] == "correction"
    assert first["probs"] == pytest.approx([0.4, 0.3, 0.1]) and first["final"] == 1
    assert first["counts"] == {"accepted": 1, "rejected": 1, "not reached": 1}
    assert data["captions"][0] == "Of 3 drafts 1 accepted, 1 rejected; the target adds the correction “␣the”."
    assert "Rejected, with draft probabilities: 'a' (0.10). Not reached: 1." in data["alt"][0]
    assert second["kind"] == "bonus token" and second["rejected"] == []
    assert "Accepted: '$x' 'a'." in data["alt"][1]
    assert third["rejected"] == [0, 1] and third["counts"]["not reached"] == 1
    # Siblings are asked in their order: the first failed before the second passed.
    assert fourth["rejected"] == [0] and fourth["counts"] == {"accepted": 1, "rejected": 1, "not reached": 1}
    assert player(frames, list("1234"), caption="Frames of one size.", alt=data["alt"])


def test_colours_of_a_round():
    (frame,), _ = trees(drawn_round([0], 1))
    left, right = frame.axes
    drawn = [(text.get_text(), text.get_color()) for text in right.texts]
    assert {("$x", BLUE), ("a", ORANGE), (r"\n4␣", GREY), ("␣the", INK)} <= set(drawn)
    assert [text.get_color() for text in left.texts[-2:]] == [BLUE, INK]


def test_no_token_lies_on_another():
    for nodes in ([], [0], [0, 2], [1]):
        _, data = trees(drawn_round(nodes, 1))
        spots = list(data["rounds"][0]["spots"].values())
        assert len(spots) == 5 and len(set(spots)) == 5


def test_text_by_call_counts_what_is_written():
    frames, data = by_call()
    assert data["plain"] == [1, 2] and data["drafted"] == [2, 3]
    assert data["kept"] == [1, 1] and data["verified"] == [3, 6]
    assert data["captions"][1] == (
        "After 2 calls of the target: 2 tokens without drafts, 3 with them. Kept: 1 of 6 drafts."
    )
    assert player(frames, ["1", "2"], caption="Frames of one size.", alt=data["alt"])
    # The text of the first frame begins that of the last.
    shown = [[text.get_text() for text in frame.axes[1].texts[1:]] for frame in frames]
    assert shown[1][: len(shown[0])] == shown[0] and len(shown[1]) > len(shown[0])


def test_lines_are_broken_where_a_panel_ends():
    found = words(["hello", " world", "\n  x", "y" * 12], 8)
    assert [(word.piece, word.column, word.line) for word in found] == [
        (0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 3, 2), (3, 0, 3),
    ]  # fmt: skip
    assert "".join(word.letters for word in found) == "hello world  x" + "y" * 12


def test_bad_input():
    with pytest.raises(ShapeError, match="rounds has 0 entries"):
        trees()
    with pytest.raises(ShapeError, match="plain has 1 calls and rounds 2"):
        result_figures.text_by_call(["if"], ["a"], ROUNDS)
