"""What only the pages need: figures, experiments, exact oracles. Imports all, imported by none."""
