"""The page of lab models: its picture and its sample show what the records say."""

from __future__ import annotations

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab import lm


@pytest.fixture(scope="module")
def lab_models(extension):
    return extension("lab_models")


def test_picture_is_legible_and_told_in_numbers(lab_models):
    assert_shows_and_describes_itself(lab_models.bits, smallest=10, legible=True)


def test_bars_are_the_records(lab_models):
    data = lab_models.bits()[1]
    assert list(data["bits"]) == ["heldout-source", "heldout-english"]
    for text, row in data["bits"].items():
        assert list(row) == [*lm.LAB_MODELS, *lab_models.JUDGES]
        for name in lm.LAB_MODELS:
            assert row[name] == lm.metrics(name)["bits_per_byte"][text][name]
        assert f"lab-target {row['lab-target']:.2f}" in data["alt"]


def test_the_page_says_what_the_bars_show(lab_models):
    """The page: on both texts lab-target needs fewer bits than everything it is measured against."""
    for row in lab_models.bits()[1]["bits"].values():
        assert row["lab-target"] < min(row[name] for name in row if name != "lab-target")
        # And the other two fewer than ordinary compressors that know the text alone.
        assert max(row["lab-draft"], row["lab-other"]) < min(row["gzip -9"], row["xz -9"])


def test_table_has_every_text(lab_models):
    head, *rows = lab_models.compression()
    assert head[0] == "Text" and [row[0] for row in rows] == [
        name[0].upper() + name[1:] for name in lab_models.TEXTS.values()
    ]
    assert set(lab_models.TEXTS) == set(lm.metrics("lab-target")["bits_per_byte"])


def test_sample_is_a_recorded_one_in_whole_lines(lab_models):
    text = lab_models.sample().astext()
    (found,) = [entry for entry in lm.metrics("lab-target")["samples"] if entry["id"] == lab_models.SAMPLE]
    written = found["prompt"] + found["continuation"]
    assert written.startswith(text + "\n") and text.startswith(found["prompt"])
