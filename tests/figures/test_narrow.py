"""Figures for phones: stacked panels, the labels that sharing took, and all as it was afterwards."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.support.pictures import overlapping_texts
from tokenlab.figures import LEGEND, narrow_only, narrowed, new_figure, show, wide_only
from tokenlab.figures.vector import svg


def three(**options):
    figure, panels = new_figure(6.4, 2.6, ncols=3, sharey=True, **options)
    for index, axes in enumerate(panels):
        axes.plot([0, 1], [0, index + 1])
        axes.set_xlabel(f"step {index}")
    panels[0].set_ylabel("bits")
    return figure, panels


def test_panels_are_stacked_with_their_labels():
    figure, panels = three()
    with narrowed(figure):
        figure.draw_without_rendering()
        boxes = [axes.get_position() for axes in panels]
        assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
        assert all(box.width > 0.6 for box in boxes)
        assert tuple(figure.get_size_inches()) == (4.1, pytest.approx(3 * 2.4))
        assert [axes.get_ylabel() for axes in panels] == ["bits"] * 3
        for axes in panels:
            assert axes.yaxis.get_ticklabels()[0].get_visible()
            assert axes.yaxis.get_tick_params("major").get("labelleft", True)


@pytest.mark.parametrize("options", [{}, {"narrow_stack": False}, {"narrow": (4.0, 5.0)}])
def test_figure_is_as_it_was(options):
    figure, panels = three(**options)
    colours = panels[0].scatter([0, 1], [0, 1], c=[0, 1])
    figure.colorbar(colours, ax=panels)
    figure.legend(handles=panels[0].lines, labels=["first"], loc="outside right center", **LEGEND)
    # Matplotlib comes to its layout in a few steps.
    before = [svg(figure, "Three lines.") for _ in range(4)][-1]
    places, size = [axes.get_position().bounds for axes in figure.axes], tuple(figure.get_size_inches())
    narrow = show(figure, caption="Three lines rise.", alt="Three lines from 0.").narrow
    assert narrow
    assert tuple(figure.get_size_inches()) == size
    for axes, place in zip(figure.axes, places, strict=True):
        assert axes.get_position().bounds == pytest.approx(place, abs=2e-3)
    assert words(svg(figure, "Three lines.")) == words(before)


def words(svg: str) -> list[str]:
    """The elements of a drawing and its texts, whatever the numbers."""
    return re.findall(r"<[\w:]+|(?<=>)[^<]+", svg)


def test_what_a_figure_says_of_itself_is_kept():
    figure, panels = three(narrow=(4.0, 5.0))
    with narrowed(figure):
        assert tuple(figure.get_size_inches()) == (4.0, 5.0)
    figure, panels = three(narrow_stack=False)
    with narrowed(figure):
        assert [axes.get_subplotspec().colspan.start for axes in panels] == [0, 1, 2]


def test_twins_stay_together_and_colour_bars_survive():
    figure, panels = new_figure(6.4, 2.6, ncols=2)
    twin = panels[1].twinx()
    bar = figure.colorbar(panels[0].scatter([0, 1], [0, 1], c=[0, 1]), ax=panels[0])
    with narrowed(figure):
        figure.draw_without_rendering()
        assert twin.get_position().bounds == panels[1].get_position().bounds
        beside, panel = bar.ax.get_position(), panels[0].get_position()
        assert beside.x0 > panel.x1 and beside.y0 >= panel.y0 - 0.01 and beside.y1 <= panel.y1 + 0.01


def test_grid_is_not_stacked():
    figure, panels = new_figure(6.4, 4.0, nrows=2, ncols=2)
    with narrowed(figure):
        assert panels[0, 1].get_subplotspec().colspan.start == 1
        assert figure.get_figheight() == 4.0


def test_legend_beside_the_axes_goes_above():
    figure, axes = new_figure(6.4, 2.6)
    axes.plot([0, 1], label="a long name of a method")
    legend = figure.legend(loc="outside right center", **LEGEND)
    with narrowed(figure):
        figure.draw_without_rendering()
        assert axes.get_position().width > 0.8
        assert legend.get_window_extent().y0 > axes.get_window_extent().y1
    figure.draw_without_rendering()
    assert legend.get_window_extent().x0 > axes.get_window_extent().x1


def test_artists_of_one_form():
    figure, axes = new_figure(6.4, 2.6)
    wide_only(axes.text(0, 0, "much room"))
    narrow_only(axes.text(0, 0, "little room"))
    shown = show(figure, caption="Words by width.", alt="Words, one for each width.")
    assert "much room" in shown.svg and "little room" not in shown.svg
    assert "little room" in shown.narrow and "much room" not in shown.narrow


def test_overlap_and_cut_are_found():
    """The helper by which chapters test their pictures finds what it is for."""
    figure, axes = new_figure(6.4, 2.6)
    axes.text(0.2, 0.5, "first")
    axes.text(0.6, 0.5, "second word")
    axes.set_xlim(0, 1)
    assert overlapping_texts(figure) == []
    near = axes.text(0.23, 0.5, "near")
    assert "narrow: 'first' lies on 'near'" in overlapping_texts(figure)
    near.set_visible(False)
    assert overlapping_texts(figure) == []
    # Too long for a phone only.
    long = axes.annotate("w" * 36, (0.0, 0.8))
    long.set_in_layout(False)
    faults = overlapping_texts(figure)
    assert [fault.partition(":")[0] for fault in faults] == ["narrow"] and "is cut" in faults[0]
