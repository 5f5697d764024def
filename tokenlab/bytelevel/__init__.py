"""Exact byte-level probabilities from tokenized models.

>>> from tokenlab.bytelevel import ByteLM
>>> from tokenlab.lm import load
>>> byte_lm = ByteLM(*load("lab-draft"))
>>> byte_lm.sample(b"def __ini", 3, temperature=0).text
b't__'
"""

from tokenlab.bytelevel.masses.api import byte_log_masses
from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.ensemble import ByteEnsemble, ensemble
from tokenlab.bytelevel.model.sampling import ByteSample
from tokenlab.bytelevel.model.scores import ByteScore
from tokenlab.bytelevel.model.streams import ByteStream, ByteStreams
from tokenlab.bytelevel.tasks import baselines
from tokenlab.bytelevel.tasks.completion import Completion, complete
from tokenlab.bytelevel.tasks.explain import Cover, Explanation, cover_encodings, explain
from tokenlab.bytelevel.tasks.infilling import FimIds, fill_in_middle
from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary

__all__ = [
    "ByteEnsemble",
    "ByteLM",
    "ByteSample",
    "ByteScore",
    "ByteStream",
    "ByteStreams",
    "ByteVocabulary",
    "Completion",
    "Cover",
    "Explanation",
    "FimIds",
    "baselines",
    "byte_log_masses",
    "complete",
    "cover_encodings",
    "ensemble",
    "explain",
    "fill_in_middle",
]
