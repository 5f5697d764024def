"""Exact byte-level probabilities from tokenized models."""

from tokenlab.bytelevel.api import byte_log_masses
from tokenlab.bytelevel.model import ByteLM, ByteSample
from tokenlab.bytelevel.stream import ByteScore, ByteStream, ByteStreams
from tokenlab.bytelevel.vocabulary import ByteVocabulary

__all__ = [
    "ByteLM", "ByteSample", "ByteScore", "ByteStream", "ByteStreams", "ByteVocabulary", "byte_log_masses",
]  # fmt: skip
