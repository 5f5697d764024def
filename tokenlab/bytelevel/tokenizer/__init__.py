"""Which token sequences a tokenizer writes; no model.

``reading`` reads a tokenizer into a ``Tokenization``; ``validity`` says which tokens may follow.
Inside a piece ``merges`` decides that; ``pretokenizer`` decides where pieces may end.
"""
