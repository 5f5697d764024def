"""A token model as a byte model, several of them as one, texts that grow by bytes, and who asks the token model."""
