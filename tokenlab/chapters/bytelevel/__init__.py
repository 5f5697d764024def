"""Pictures, experiments and exact fractions of the chapter on byte-level probabilities."""
