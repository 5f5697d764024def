"""GGUF files are read to the last bit, cut texts as they say, and give models like any other."""

from __future__ import annotations

import sys

import pytest
import torch

from tests.support.tiny_gguf import write_gguf
from tokenlab.errors import CheckpointError, MissingPackageError
from tokenlab.lm import load, origin


def test_a_file_and_a_folder_with_one_are_loaded(tmp_path):
    matrices = write_gguf(tmp_path / "tiny.gguf")
    for place in (tmp_path / "tiny.gguf", tmp_path):
        model, tokenizer = load(str(place))
        assert not model.training and model.dtype == torch.float32
        found = model.model.embed_tokens.weight.detach().numpy()
        assert (found == matrices["token_embd"]).all()
        found = model.model.layers[0].mlp.down_proj.weight.detach().numpy()
        assert (found == matrices["blk.0.ffn_down"]).all()
        assert tokenizer.decode(tokenizer("naïve")["input_ids"]) == "naïve"
    assert origin(str(tmp_path)) == {"name": str(tmp_path), "source": "file", "quantisation": "Q4_1"}


def test_the_model_is_like_any_other(tmp_path):
    """transformers calls it quantised, and would refuse to save it."""
    write_gguf(tmp_path / "tiny.gguf")
    model, tokenizer = load(str(tmp_path))
    assert not getattr(model, "is_quantized", False) and not hasattr(model.config, "quantization_config")
    model.save_pretrained(tmp_path / "saved")
    tokenizer.save_pretrained(tmp_path / "saved")
    again, other = load(str(tmp_path / "saved"))
    ids = tokenizer("x  1\n\n2", return_tensors="pt")["input_ids"]
    assert torch.equal(other("x  1\n\n2", return_tensors="pt")["input_ids"], ids)
    assert torch.equal(again(ids).logits, model(ids).logits)
    assert origin(str(tmp_path / "saved"))["source"] == "folder"


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("smollm", ["x", "ĠĠ", "1", "2", "ĊĊ", "3"]),
        ("gpt-2", ["x", "Ġ", "Ġ", "1", "2", "Ċ", "Ċ", "3"]),
        ("qwen2", ["x", "Ġ", "Ġ", "1", "2", "ĊĊ", "3"]),
    ],
)
def test_texts_are_cut_as_the_file_says(tmp_path, pre, pieces):
    """transformers alone cuts all that it does not know as GPT-2 does."""
    write_gguf(tmp_path / "tiny.gguf", pre=pre)
    assert load(str(tmp_path))[1].tokenize("x  12\n\n3") == pieces


@pytest.mark.parametrize("pre", ["viking", "default", None])
def test_cuts_that_nobody_knows_are_refused(tmp_path, pre):
    write_gguf(tmp_path / "tiny.gguf", pre=pre)
    with pytest.raises(
        CheckpointError, match=rf"tiny\.gguf has tokenizer\.ggml\.pre {pre!r}, and how that cuts"
    ):
        load(str(tmp_path))


@pytest.mark.parametrize("left", [0, 100, 5000, -40_000])
def test_truncated(tmp_path, left):
    write_gguf(tmp_path / "tiny.gguf")
    path = tmp_path / "tiny.gguf"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(CheckpointError, match=r"tiny\.gguf cannot be loaded, because of its "):
        load(str(path))


def test_of_several_files_one_must_be_named(tmp_path):
    write_gguf(tmp_path / "b.gguf")
    (tmp_path / "a.gguf").write_bytes(b"another")
    with pytest.raises(CheckpointError, match=r"has 2 GGUF files: name one of them, .*\(a\.gguf, b\.gguf\)"):
        load(str(tmp_path))
    assert load(str(tmp_path / "b.gguf"))[0].config.num_hidden_layers == 1


def test_safetensors_come_before_a_gguf(model_folder, tmp_path):
    import shutil

    folder = shutil.copytree(model_folder, tmp_path / "both")
    (folder / "other.gguf").write_bytes(b"not even one")
    assert load(str(folder))[0].config.num_hidden_layers == 2


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for function in (load, origin):
        with pytest.raises(
            MissingPackageError, match=r'gguf is not installed: run `pip install "tokenlab\[gguf\]"`'
        ):
            function(str(tmp_path))
