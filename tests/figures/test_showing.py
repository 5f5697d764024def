"""Showing a figure: alternative text, caption, and one drawing for each width."""

from __future__ import annotations

import re

import pytest

from tokenlab.errors import ArgumentError
from tokenlab.figures import new_figure, show
from tokenlab.figures.narrow import WIDTH

WORDS = {"caption": "A line that rises.", "alt": "A line that rises from 0 to 1."}


def frame(width: float = 6.4, **options):
    figure, axes = new_figure(width, 2.0, **options)
    axes.plot([0, 1], [0, 1], marker="o")
    return figure


@pytest.mark.parametrize("name", ["caption", "alt"])
def test_figure_without_words_is_refused(name):
    options = WORDS | {name: "  "}
    with pytest.raises(ArgumentError, match=f"{name} is '  '"):
        show(frame(1), **options)


def test_wide_figure_is_drawn_twice_and_one_is_hidden():
    shown = show(frame(), **WORDS)
    wide, narrow = re.findall(r"<svg\b[^>]*>", shown._repr_html_())
    assert "display:none" not in wide and "picture-wide" in wide
    # Jupyter, Colab and GitHub have no style sheet of ours: they show the wide one.
    assert "display:none" in narrow and "picture-narrow" in narrow
    assert f'viewBox="0 0 {WIDTH * 72:.1f} ' in narrow and 'viewBox="0 0 460.8 ' in wide
    assert all(WORDS["alt"] in head and 'role="img"' in head for head in (wide, narrow))


def test_figure_that_fits_a_phone_is_drawn_once():
    shown = show(frame(WIDTH), **WORDS)
    assert shown._repr_html_().count("<svg") == 1 and "picture-" not in shown.svg
    assert show(frame(WIDTH, narrow=(3.0, 3.0)), **WORDS)._repr_html_().count("<svg") == 2


def test_twin_is_the_wide_one_alone():
    shown = show(frame(), **WORDS)
    assert shown._repr_svg_().count("<svg") == 1 and 'viewBox="0 0 460.8 ' in shown._repr_svg_()
    assert "currentColor" not in shown._repr_svg_()


def names(svg: str) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', svg))


def test_the_two_forms_share_no_names():
    """What is named in a hidden drawing cannot be drawn in the other one."""
    shown = show(frame(), **WORDS)
    assert names(shown.svg) and names(shown.narrow) and not names(shown.svg) & names(shown.narrow)
    for form in (shown.svg, shown.narrow):
        assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', form)) == names(form)


def test_full_width_figure_fills_the_column():
    (limit,) = re.findall(r"max-width:(\d+)px", show(frame(6.0), **WORDS).svg)
    assert int(limit) >= 720
