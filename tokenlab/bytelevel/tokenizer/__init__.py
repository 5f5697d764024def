"""Which token sequences a tokenizer writes; no model.

``reading`` reads a tokenizer into a ``tokenization``, with a ``vocabulary``; ``roles`` says what each id
stands for, and ``validity`` which tokens may follow. Inside a piece ``merges`` decides that. Where
pieces may end is decided by ``pretokenizer``: ``pretokenizer_json`` and ``patterns`` read its entry,
``characters``, ``pattern_machine`` and ``automaton`` make tables of it, ``token_runs`` runs tokens
through them. ``added_tokens`` are cut out before; ``text`` knows bytes and characters.
"""
