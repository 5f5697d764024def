"""The walks through a chain and a tree follow recursive rejection."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.pictures import assert_shows_and_describes_itself
from tokenlab.chapters.transport import figures
from tokenlab.errors import ArgumentError

STORIES = {"chain": figures.CHAIN, "tree": figures.TREE}


@pytest.mark.parametrize("name", STORIES)
def test_shows_and_describes_itself(name):
    def draw():
        frames, data = figures.verification_walk(STORIES[name])
        return frames[-1], data | {"alt": data["alt"][-1]}

    assert_shows_and_describes_itself(draw, smallest=10, legible=True)


@pytest.mark.parametrize("name", STORIES)
def test_the_walk_is_that_of_recursive_rejection(name):
    """At each node: accepted where the uniform is below the ratio, else the target becomes the residual."""
    story = STORIES[name]
    data = figures.verification_walk(story)[1]
    uniforms, number, path = list(story.tests), 0, ()
    while path in story.drafts:
        words, target, draft = story.models[path]
        p, q = ([float(value) for value in row] for row in (target, draft))
        for word in story.drafts[path]:
            number += 1
            token, state = words.index(word), data["states"][number][" ".join((*path, word))]
            if float(uniforms.pop(0)) < p[token] / q[token]:
                assert state == "accepted"
                path = (*path, word)
                break
            assert state == "rejected"
            left = [max(a - b, 0) for a, b in zip(p, q)]
            p = [value / sum(left) for value in left]
            assert list(data["rows"][number].values()) == pytest.approx(p)
        else:
            break
    assert uniforms == [], "no test is left over"
    assert data["path"][-1] == " ".join(path)
    assert data["rows"][-1][story.final] > 0, "the last word can be drawn"


def test_what_the_captions_of_the_pictures_say():
    tree, chain = (
        list(figures.verification_walk(STORIES[name])[1]["states"][-1].values()) for name in ("tree", "chain")
    )
    assert sorted(tree) == ["accepted"] * 2 + ["rejected"] * 2
    assert chain == ["accepted", "accepted", "rejected"]


def test_only_words_of_the_row_are_drafted():
    for story in STORIES.values():
        for path, drafts in story.drafts.items():
            if path in story.models:
                assert set(drafts) <= set(story.models[path].words)
                assert all(
                    story.models[path].draft[story.models[path].words.index(word)] > 0 for word in drafts
                )


def test_a_word_that_cannot_come_is_refused():
    with pytest.raises(ArgumentError, match="'barked', which cannot be drawn"):
        figures.verification_walk(dataclasses.replace(figures.CHAIN, final="barked"))
