"""Pictures of the byte-level chapter. Each returns ``(Figure, data)``; ``data["alt"]`` describes it.

Only :func:`typing_widget` needs a kernel; a page shows :func:`typing` instead.
"""

from tokenlab.chapters.bytelevel.figures.cover_rows import covers
from tokenlab.chapters.bytelevel.figures.distributions import next_byte, per_byte, typing, typing_widget
from tokenlab.chapters.bytelevel.figures.labels import byte_label, string_label
from tokenlab.chapters.bytelevel.figures.merges import MERGES, border, spines
from tokenlab.chapters.bytelevel.figures.ranges import narrowing
from tokenlab.chapters.bytelevel.figures.two_states import chains

__all__ = [
    "MERGES",
    "border",
    "byte_label",
    "chains",
    "covers",
    "narrowing",
    "next_byte",
    "per_byte",
    "spines",
    "string_label",
    "typing",
    "typing_widget",
]
