"""Notebooks and pages that keep the rules of pages. The others are still to be rewritten."""

#: Notebooks below ``book/``, such as "sampling/derive": by rule, by their times, and by the layout of their pages.
REWRITTEN: tuple[str, ...] = (
    "sampling/derive",
    "sampling/kernels",
    "sampling/run",
    "transport/derive",
    "transport/derive-trees",
    "transport/run",
    "bytelevel/derive",
    "bytelevel/run",
    "bytelevel/kernels",
    "transport/kernels",
)
#: Other pages whose layout is held too, such as "book/index".
REWRITTEN_PAGES: tuple[str, ...] = (
    "book/index",
    "book/sampling/index",
    "book/transport/index",
    "book/bytelevel/index",
    "book/notation",
    "book/glossary",
    "book/lab-models",
    "book/benchmarks",
    "book/api/index",
    "book/api/sampling",
    "book/api/transport",
    "book/api/bytelevel",
    "book/api/bytelevel-inside",
    "book/api/ops",
    "book/api/lm",
    "book/api/shared",
    "book/claims",
    "book/references",
    "book/instructors",
    "book/status",
)
