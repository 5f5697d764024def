"""A token model as a byte model, several of them as one, and texts that grow by bytes."""
