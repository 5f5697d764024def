"""Notebooks and pages that keep the rules for pages; the others are still to be rewritten."""

#: Notebooks, as the table of contents names them: ``book/sampling/derive``.
REWRITTEN: tuple[str, ...] = ()
#: Pages of the built book whose layout is checked in a browser.
REWRITTEN_PAGES: tuple[str, ...] = ()
