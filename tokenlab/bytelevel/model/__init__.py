"""A token model as a byte model, several of them as one, and texts that grow by bytes.

``byte_lm`` and ``ensemble`` are each a ``byte_model``. Their texts are ``streams`` (the common part is
``text_streams``), each a ``text_state``; ``scores`` and ``sampling`` use them. The model is asked
through a ``context_forest``: a ``context_tree``, and ``cached_reader`` or ``uncached_reader``.
"""
