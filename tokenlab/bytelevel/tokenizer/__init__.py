"""Which token sequences a tokenizer writes; no model."""
