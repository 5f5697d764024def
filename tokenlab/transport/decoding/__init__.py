"""Drafts and verification on two real models.

Public: ``generate`` (and ``multi_draft``, the same as a method of transformers), ``structures`` (what is
drafted), ``output``. ``compatibility`` looks at models and options. ``loop`` runs the rounds: ``drafting`` or
``dynamic_tree`` makes a ``proposal``, the target reads it into its ``tree_cache``, a rule verifies it.
"""
