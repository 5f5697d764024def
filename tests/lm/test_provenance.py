"""What a results file says about itself."""

from __future__ import annotations

import hashlib
import platform

from tokenlab.lm.loading import WEIGHTS_FILE, lab_folder
from tokenlab.lm.provenance import provenance, versions, weights_digest


def test_weights_are_named_by_their_digest():
    content = (lab_folder("lab-draft") / WEIGHTS_FILE).read_bytes()
    assert weights_digest("lab-draft") == hashlib.sha256(content).hexdigest()
    assert weights_digest("gpt2") is None


def test_provenance_names_command_models_and_versions():
    origin = provenance("make it", {"target": "lab-draft"}, device="cpu", dtype="float64", seconds=1.26)
    assert origin["command"] == "make it" and origin["seconds"] == 1.3
    assert origin["models"] == {
        "target": {"name": "lab-draft", "weights_sha256": weights_digest("lab-draft")}
    }
    assert origin["versions"] == versions("torch", "transformers", "numpy")
    assert origin["versions"]["python"] == platform.python_version()
