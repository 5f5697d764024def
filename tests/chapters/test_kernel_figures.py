"""Figures are tested on their data; the alternative text must carry the numbers."""

from __future__ import annotations

import pytest
import torch

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters import kernel_figures
from tokenlab.chapters.traffic import Pass
from tokenlab.errors import ArgumentError, DtypeError, EmptySupportError, ShapeError
from tokenlab.figures import player
from tokenlab.ops import sample_categorical

SIX = [1.0, 0.0, 2.0, -1.0, 0.5, 0.25]


WAYS = {"two steps": [Pass("exp", 4000, 4000), Pass("sum", 4000, 8)], "one": [Pass("tiles", 4000, 16)]}


def reads(rows: int, vocab: int, tile: int) -> torch.Tensor:
    """What tiles of neighbouring tokens read."""
    owner = torch.arange(vocab) // tile
    programs = torch.arange(-(-vocab // tile))
    return (owner == programs[:, None]).expand(rows, -1, -1).clone()


DRAWN = {
    "passes": lambda: kernel_figures.passes(WAYS),
    "launch": lambda: kernel_figures.launch(reads(2, 13, 4), 4),
    "launch of single tokens": lambda: kernel_figures.launch(reads(1, 3, 1), 1, partial=("m",), result="M"),
    "launch of many tiles": lambda: kernel_figures.launch(reads(1, 13, 1), 1),
    "launch of wide tiles": lambda: kernel_figures.launch(reads(1, 18, 9), 9),
    "tile_sizes": lambda: kernel_figures.tile_sizes(1000, [64, 256, 1024], rows=2),
    "two_level_draw": lambda: kernel_figures.two_level_draw(SIX, 2, (0.5, 0.9)),
    "two_level_draw of words": lambda: kernel_figures.two_level_draw(
        SIX[:4], 2, (0.3, 0.8), ["the", "a", "its", "this"], "block"
    ),
    "two_level_draw at the edge": lambda: kernel_figures.two_level_draw(SIX * 4, 8, (0.001, 0.999)),
}


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_every_figure_shows_and_describes_itself(name):
    assert_shows_and_describes_itself(DRAWN[name], smallest=10, legible=True)


def test_passes_data():
    figure, data = DRAWN["passes"]()
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["two steps: 12 kB", "one: 4.02 kB"]
    assert data["total"] == {"two steps": 12_008, "one": 4016}
    assert (
        "two steps moves 12.0 kB: exp reads 4.0 and writes 4.0; sum reads 4.0 and writes 0.0." in data["alt"]
    )


def test_launch_data():
    data = DRAWN["launch"]()[1]
    assert data["owners"] == [[[token // 4] for token in range(13)]] * 2
    assert (data["tiles"], data["idle_lanes"], data["partial_numbers"]) == (4, 3, 16)
    assert "Program (1, 3) reads token 12." in data["alt"] and "3 lanes of the last tile" in data["alt"]


def test_launch_shows_what_was_read_not_what_should_be():
    """A kernel that reads a token twice, and one that forgets another."""
    wrong = reads(1, 8, 4)
    wrong[0, 1, 3], wrong[0, 0, 2] = True, False
    data = kernel_figures.launch(wrong, 4)[1]
    assert data["owners"][0][2:4] == [[], [0, 1]]
    assert "Program (0, 0) reads tokens 0, 1, 3." in data["alt"]
    assert "Program (0, 1) reads tokens 3 to 7." in data["alt"]
    silent = kernel_figures.launch(torch.zeros_like(wrong), 4)[1]
    assert "reads no token" in silent["alt"]


def test_launches_make_a_player():
    frames = [kernel_figures.launch(reads(1, 13, tile), tile) for tile in (2, 16)]
    player(
        [figure for figure, _ in frames],
        ["2", "16"],
        caption="Tiles of two sizes.",
        alt=[data["alt"] for _, data in frames],
    )


def test_tile_sizes_data():
    data = DRAWN["tile_sizes"]()[1]
    assert data["programs"] == [32, 8, 2]
    assert data["idle"] == pytest.approx([1 - 1000 / 1024] * 3)
    assert data["partial"] == pytest.approx([16 * 16 / 4000, 16 * 4 / 4000, 16 / 4000])
    assert kernel_figures.tile_sizes(1000, [64, 256], itemsize=2)[1]["partial"][0] == pytest.approx(
        2 * data["partial"][0]
    )


@pytest.mark.parametrize("noise", [(0.01, 0.01), (0.5, 0.9), (0.7, 0.2), (0.99, 0.999)])
def test_two_level_data_is_what_the_sampler_draws(noise):
    data = kernel_figures.two_level_draw(SIX, 4, noise)[1]
    token = sample_categorical(
        torch.tensor(SIX, dtype=torch.float64), noise=torch.tensor(noise, dtype=torch.float64), block_size=4
    )
    assert data["token"] == token.item() and data["tile"] == token.item() // 4
    assert sum(data["masses"]) == pytest.approx(1) and sum(data["inside"]) == pytest.approx(1)
    assert f"falls on token {token.item()}." in data["alt"]


def test_two_levels_name_words_and_blocks():
    figure, data = DRAWN["two_level_draw of words"]()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {"the, a", "its, this", "u = 0.3", "u = 0.8"} <= set(texts)
    assert "falls on block 0" in data["alt"] and "falls on token a." in data["alt"]


def test_every_bar_says_its_size_even_where_it_is_too_short():
    figure, _ = DRAWN["passes"]()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert {"8", "4.01", "4.02"} <= set(texts)


def test_no_bar_is_cut_where_the_last_way_is_shorter():
    figure, _ = DRAWN["passes"]()
    ends = [bar.get_x() + bar.get_width() for axes in figure.axes for bar in axes.patches]
    assert all(axes.get_xlim()[1] > max(ends) for axes in figure.axes)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: kernel_figures.two_level_draw(SIX, 2, (0.5, 0.5), ["a"]), ShapeError, "names has 1 entries"),
        (lambda: kernel_figures.passes({}), ArgumentError, "ways has 0 entries"),
        (lambda: kernel_figures.passes({"nothing": []}), ArgumentError, "each with a pass"),
        (lambda: kernel_figures.launch(reads(1, 13, 4), 5), ShapeError, "4 tiles, expected 3 of 5 for 13"),
        (lambda: kernel_figures.launch(reads(1, 13, 4).float(), 4), DtypeError, "expected one of bool"),
        (lambda: kernel_figures.launch(reads(1, 13, 4)[0], 4), ShapeError, "reads has shape"),
        (
            lambda: kernel_figures.launch(reads(1, 64, 4), 4),
            ArgumentError,
            "64 lanes, expected at most 3, each",
        ),
        (lambda: kernel_figures.tile_sizes(1000, [64]), ArgumentError, "two sizes or more"),
        (lambda: kernel_figures.tile_sizes(1000, [256, 64]), ArgumentError, "rising"),
        (lambda: kernel_figures.tile_sizes(0, [64, 256]), ArgumentError, "vocab is 0"),
        (lambda: kernel_figures.two_level_draw(SIX, 2, (0.5,)), ShapeError, "noise has 1"),
        (lambda: kernel_figures.two_level_draw(SIX, 2, (0.5, 1.0)), ArgumentError, "noise is 1"),
        (lambda: kernel_figures.two_level_draw(SIX, 7, (0.5, 0.5)), ArgumentError, "tile is 7"),
        (
            lambda: kernel_figures.two_level_draw([*SIX, -torch.inf], 2, (0.5, 0.5)),
            ArgumentError,
            "all of them possible",
        ),
        (lambda: kernel_figures.two_level_draw([-torch.inf], 1, (0.5, 0.5)), EmptySupportError, "no token"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
