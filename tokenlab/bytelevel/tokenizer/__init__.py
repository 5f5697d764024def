"""Which token sequences a tokenizer writes; no model.

``reading`` reads a tokenizer's own description into a ``Tokenization``: the tokens as byte strings
(``vocabulary``), their merges, its pre-tokenizer, its added tokens. ``validity`` answers which tokens
may follow, from two parts: ``merges`` says which may stand side by side inside a piece,
``pretokenizer`` where pieces may end. The latter reads regular expressions (``patterns``) over
classes of characters (``characters``).
"""
