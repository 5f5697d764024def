"""Pictures of the byte-level chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it.

Only :func:`typing_widget` needs a kernel; :func:`typing` needs none.
"""

from tokenlab.chapters.bytelevel.figures.cover_rows import covers
from tokenlab.chapters.bytelevel.figures.distributions import next_byte, per_byte
from tokenlab.chapters.bytelevel.figures.kernel_pictures import byte_masses, sum_errors, window
from tokenlab.chapters.bytelevel.figures.labels import byte_label, string_label
from tokenlab.chapters.bytelevel.figures.leak_bars import leaks
from tokenlab.chapters.bytelevel.figures.merges import MERGES, border, neighbours
from tokenlab.chapters.bytelevel.figures.prompt_cut import broken_word
from tokenlab.chapters.bytelevel.figures.ranges import narrowing
from tokenlab.chapters.bytelevel.figures.token_sets import spellings
from tokenlab.chapters.bytelevel.figures.two_states import chains
from tokenlab.chapters.bytelevel.figures.typed import typing, typing_widget
from tokenlab.chapters.bytelevel.figures.typed_covers import cover_walk

__all__ = [
    "MERGES",
    "border",
    "broken_word",
    "byte_label",
    "byte_masses",
    "chains",
    "cover_walk",
    "covers",
    "leaks",
    "narrowing",
    "neighbours",
    "next_byte",
    "per_byte",
    "spellings",
    "string_label",
    "sum_errors",
    "typing",
    "typing_widget",
    "window",
]
