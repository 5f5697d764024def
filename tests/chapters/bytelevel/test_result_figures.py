"""Pictures of what was recorded are tested on their data."""

from __future__ import annotations

import re

import pytest

from tests.chapters.bytelevel.experiments.recorded import CUTS, ENSEMBLES, GAPS, PICTURED
from tests.support.pictures import assert_shows_and_describes_itself, overlapping_texts
from tokenlab.chapters.bytelevel import experiments, result_figures
from tokenlab.errors import ArgumentError
from tokenlab.figures import METHODS


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
    assert_shows_and_describes_itself(draw, smallest=10)


def test_recorded_pictures_are_legible():
    results = {name: experiments.load_results(name) for name in ("cuts", "infilling", "ensembles")}
    for measure in ("first", "ahead"):
        assert overlapping_texts(result_figures.cut_bits(results["cuts"], measure)[0]) == []
    for measure in result_figures.GAP_MEASURES:
        assert overlapping_texts(result_figures.gap_scores(results["infilling"], measure)[0]) == []
    assert overlapping_texts(result_figures.ensemble_bits(results["ensembles"])[0]) == []


def drawn(figure) -> list[tuple[str, list[float]]]:
    """Colour and position of the means, from the top."""
    return [
        (line.get_color(), line.get_xdata()[0])
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() not in ("None", "")
    ]


def test_pictures_show_what_was_recorded():
    figure, data = result_figures.cut_bits(CUTS)
    assert data["intervals"][""]["all cuts"]["exact"] == tuple(experiments.cut_bits(CUTS, "exact"))
    colour = METHODS["bytelevel"]["longest_match"].colour
    assert drawn(figure)[1] == (colour, experiments.cut_bits(CUTS, "longest_match", part="inside").mean)
    assert "between tokens: encoded prompt" in data["alt"]
    _, data = result_figures.gap_scores(PICTURED)
    assert data["intervals"]["PSM"]["inside a token"]["bytes"] == tuple(
        experiments.gap_score(PICTURED, "psm", "bytes", "bits", "inside")
    )
    _, data = result_figures.ensemble_bits(ENSEMBLES)
    assert data["bits"]["source"]["mix"][0] == experiments.ensemble_bits(ENSEMBLES, "other", "source").mean
    with pytest.raises(ArgumentError, match="measure is 'speed'"):
        result_figures.gap_scores(GAPS, "speed")


def test_panels_of_one_row_reach_all_that_they_show():
    """Axes that are shared must not keep the limits of the panel that was drawn first."""
    wider = {**PICTURED, "fills": {**PICTURED["fills"], "spm": {}}}
    for filler, rows in PICTURED["fills"]["spm"].items():
        wider["fills"]["spm"][filler] = [{**row, "bits": [90.0, 95.0]} for row in rows]
    figure, _ = result_figures.gap_scores(wider)
    assert all(axes.get_xlim()[0] == 0 and axes.get_xlim()[1] >= 95 for axes in figure.axes)


def test_sentences_say_what_the_picture_shows():
    for measure in ("first", "ahead"):
        _, data = result_figures.cut_bits(CUTS, measure)
        means = [
            value[0]
            for part in ("inside a token", "between tokens")
            for value in data["intervals"][""][part].values()
        ]
        assert re.findall(r"\d+\.\d\d", data["said"]) == [f"{mean:.2f}" for mean in means]
    _, data = result_figures.gap_scores(PICTURED, "similarity")
    rows = [data["intervals"][order]["inside a token"] for order in ("PSM", "SPM")]
    assert re.findall(r"\d+\.\d\d", data["said"]) == [
        f"{row[filler][0]:.2f}" for filler in result_figures.FILLERS for row in rows
    ]
