"""A token model as a byte model."""
