"""Results as the experiments record them, small enough to be checked by hand."""

from __future__ import annotations

from tokenlab.chapters.bytelevel import experiments

CUTS = {
    "files": ["source/a.py", "source/b.py", "english/c.txt"],
    "cuts": [10, 13],
    "ahead": 8,
    "boundary": [[1, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]],
    "methods": {
        name: {
            "first": [[base, base + 1, base + 2, base + 3]] * 3,
            "ahead": [[8 * base] * 4] * 3,
            "hit": [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]],
        }
        for name, base in (("exact", 1), ("plain", 4), ("longest_match", 2))
    },
    "transformers": {"cuts": [10, 12], "kept": [[1, 0], [1, 1], [1, 1]], "hit": [[1, 0], [0, 0], [1, 1]]},
    "work": [
        {"bytes": 10, "tokens": 11, "leaks": [0.9, 0.1, 0.3]},
        {"bytes": 10, "tokens": 10, "leaks": [0.7, 0.0, 0.0]},
        {"bytes": 10, "tokens": 15, "leaks": [0.8, 0.2, 0.0]},
    ],
}

GAPS = {
    "gaps": [[{"inside": 1}, {"inside": 0}], [{"inside": 1}, {"inside": 1}]],
    "fills": {
        format: {
            filler: [
                {"text": ["", ""], "agrees": [1, 0], "similarity": [1.0, 0.5], "bits": [base, 3.0]},
                {"text": ["", ""], "agrees": [0, 0], "similarity": [0.5, 0.0], "bits": [base, 3.0]},
            ]
            for filler, base in (("bytes", 1.0), ("tokens", 4.0), ("healed tokens", 2.0))
        }
        for format in ("psm", "spm")
    },
}


# Both parts in two files at least, for the pictures.
PICTURED = {**GAPS, "gaps": [[{"inside": 1}, {"inside": 0}], [{"inside": 1}, {"inside": 0}]]}

ENSEMBLES = {
    "files": ["source/a.py", "source/b.py", "english/c.txt", "english/d.txt"],
    "bytes": 100,
    "bits": {name: [100.0 + i, 100.0 + i, 200.0, 220.0] for i, name in enumerate(experiments.ENSEMBLES)},
}

DISTRIBUTIONS = {
    "bytes": 10,
    "distributions": {
        "valid": [
            {
                "log_prob": -10.0,
                "cover_log_prob": -12.0,
                "pruned": 0.0,
                "tokens": 10,
                "open_covers": 2.0,
                "seconds": 1.0,
            },
            {
                "log_prob": -20.0,
                "cover_log_prob": -22.0,
                "pruned": 0.0,
                "tokens": 12,
                "open_covers": 2.0,
                "seconds": 1.0,
            },
        ],
        "all, 1": [{"lost_at": 3}, {"lost_at": 4}],
        "all, 2": [
            {"lost_at": 3},
            {
                "log_prob": -19.0,
                "cover_log_prob": -21.5,
                "pruned": 0.1,
                "tokens": 30,
                "open_covers": 4.0,
                "seconds": 2.0,
            },
        ],
    },
}
