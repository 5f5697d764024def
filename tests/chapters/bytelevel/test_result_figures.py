"""Pictures of what was recorded are tested on their data."""

from __future__ import annotations

import pytest

from tests.chapters.bytelevel.experiments.recorded import CUTS, ENSEMBLES, GAPS, PICTURED
from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.bytelevel import experiments, result_figures
from tokenlab.errors import ArgumentError


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
