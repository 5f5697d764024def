"""One tiny trained model for all tests of a process, and the shipped ones."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch

from tests.support import tiny_corpus as tiny


@pytest.fixture(autouse=True)
def one_thread():
    """Equal losses to the last bit need equal sums; the machine's cores may be busy, too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def documents():
    return tiny.documents()


@pytest.fixture(scope="session")
def tokenizer(documents):
    from tokenlab.lm.tokenizers import train_tokenizer

    return train_tokenizer((d.text for d in documents if not d.heldout), "byte_level", tiny.VOCAB_SIZE)


@pytest.fixture(scope="session")
def trained(documents, tokenizer, tmp_path_factory):
    """Model and run of 30 undisturbed steps."""
    from tokenlab.lm.training import train

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    return train(tiny.RECIPE, documents, tokenizer, folder, cpu=True, progress=False)


@pytest.fixture
def quick(documents, tokenizer, tmp_path):
    """``quick(steps=4, ...)`` trains in ``tmp_path / "run"``; other recipe fields by ``recipe=``."""

    from tokenlab.lm.training import train

    def run(recipe=tiny.RECIPE, texts=documents, folder="run", **options):
        return train(
            recipe, texts, tokenizer, tmp_path / folder, **{"cpu": True, "progress": False} | options
        )

    return run


@pytest.fixture(scope="session")
def model(trained):
    return trained[0].eval()


@pytest.fixture(scope="session")
def model_folder(model, tokenizer, tmp_path_factory) -> Path:
    """The tiny model as ``save_model`` leaves it."""
    from tokenlab.lm.training import save_model

    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def shipped():
    """``shipped(name)`` loads a lab model once; without its weights the test fails."""
    from tokenlab.lm import load

    return functools.cache(load)
