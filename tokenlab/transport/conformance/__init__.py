"""Is anyone's verifier lossless, how far is it from the optimum, and which known mistake does it make?

Public: ``check`` and its ``report``. ``inputs`` looks at arguments, ``cases`` is what a verifier is tried on,
``answers`` asks it, ``statistics`` tests what it draws. ``diagnosis`` compares a wrong one with ``mistakes``,
which for chains are made of ``chain_rules``.
"""
