"""Is anyone's verifier lossless, how far is it from the optimum, and which known mistake does it make?

``check`` tries a verifier on the ``cases`` and writes the ``report``; ``inputs`` checks what is asked for,
``answers`` what the verifier returns. A biased one is compared with ``mistakes`` by ``diagnosis``.
"""
