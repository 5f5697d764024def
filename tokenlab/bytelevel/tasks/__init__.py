"""What byte-level probabilities are for: completion, infilling, explanation, and the baselines."""
