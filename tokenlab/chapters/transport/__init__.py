"""Pictures, experiments and exact fractions of the chapter on speculative decoding."""
