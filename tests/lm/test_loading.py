"""Loading: names, folders, and what is said when it cannot be done."""

from __future__ import annotations

import json
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from tokenlab.errors import CheckpointError, DtypeError, ModelNotFoundError
from tokenlab.lm import LAB_MODELS, load, loading, metrics


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Nothing may be looked up or connected to."""
    calls = []

    def refuse(*arguments, **_):
        calls.append(arguments)
        raise OSError("a test touched the network")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert calls == []


@pytest.fixture
def folder(model_folder, tmp_path):
    """A copy of the tiny model to damage."""
    return shutil.copytree(model_folder, tmp_path / "model")


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_local_folder(folder, model, tokenizer):
    loaded, loaded_tokenizer = load(str(folder))
    assert not loaded.training
    assert loaded.dtype == torch.float32
    assert loaded.device.type == "cpu"
    assert loaded_tokenizer.get_vocab() == tokenizer.get_vocab()
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float()), name


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtype(folder, dtype):
    loaded, _ = load(str(folder), dtype=dtype)
    assert {parameter.dtype for parameter in loaded.parameters()} == {dtype}


def test_device(folder):
    assert load(str(folder), device="meta")[0].device.type == "meta"


def test_lab_name_means_the_packages_folder(folder, monkeypatch, tmp_path):
    """Also where the working directory has a folder of that name."""
    monkeypatch.setattr(loading, "MODELS", tmp_path / "models")
    shutil.copytree(folder, tmp_path / "models" / "lab-draft")
    (tmp_path / "lab-draft").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("lab-draft")[0].config.num_hidden_layers == 2


def test_relative_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert load("model")[0].config.num_hidden_layers == 2


def test_model_generates(folder):
    loaded, tokenizer = load(str(folder))
    ids = tokenizer("def total", return_tensors="pt")
    output = loaded.generate(**ids, do_sample=False, max_new_tokens=5)
    assert torch.equal(output[0, : ids.input_ids.shape[1]], ids.input_ids[0])


@pytest.mark.parametrize(
    "name", ["lab-targte", "no/such-model", "/no/such/folder", "a/b/c", "two words", "lab-target "]
)
def test_unknown_name(name):
    with pytest.raises(ModelNotFoundError) as caught:
        load(name)
    for lab_model in LAB_MODELS:
        assert lab_model in str(caught.value)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["", None, 3, b"lab-target"])
def test_bad_name(name):
    with pytest.raises(DtypeError, match="name must be a non-empty string"):
        load(name)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, "float32", None])
def test_bad_dtype(folder, dtype):
    with pytest.raises(DtypeError, match=r"dtype is .*, expected one of torch\.bfloat16"):
        load(str(folder), dtype=dtype)


@pytest.mark.parametrize("name", LAB_MODELS)
def test_lab_model_that_was_never_trained(name, monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "MODELS", tmp_path)
    command = f"python -m tokenlab.lm.train {name}"
    with pytest.raises(
        CheckpointError, match=f"no config.json; make it with `{command} --output {tmp_path / name}`"
    ):
        load(name)
    with pytest.raises(
        CheckpointError, match=f"metrics.json is missing; run `{command} --output {tmp_path / name}`"
    ):
        metrics(name)


def test_empty_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"has no config\.json$"):
        load(str(tmp_path))


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has no \*\.safetensors weights$"):
        load(str(folder))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_only(folder, model, name):
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / name)
    with pytest.raises(CheckpointError, match=f"it has {name}, but only safetensors are loaded"):
        load(str(folder))


def test_no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(str(folder))


@pytest.mark.parametrize("left", [0, 5, 1000, -1])
def test_truncated_weights(folder, left):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        load(str(folder))


def test_git_lfs_pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\nsize 3\n")
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        load(str(folder))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_damaged_json(folder, name):
    (folder / name).write_text('{"a"')
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(str(folder))


@pytest.mark.parametrize("change", [{"model_type": "no_such_type"}, {"hidden_size": 32}, {"vocab_size": 301}])
def test_configuration_that_does_not_fit(folder, change):
    edit(folder / "config.json", **change)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(str(folder))


def test_missing_tensor(folder):
    """transformers alone would fill it with random numbers and go on."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    name = "model.layers.1.mlp.up_proj.weight"
    del weights[name]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=f"lack 1 tensors, first {name}"):
        load(str(folder))


def test_missing_layer(folder):
    edit(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(CheckpointError, match="lack 9 tensors"):
        load(str(folder))


CODE = """
from pathlib import Path
Path({mark!r}).write_text("executed")
from transformers import LlamaConfig, LlamaForCausalLM
class Config(LlamaConfig):
    model_type = "not-known-to-transformers"
class Model(LlamaForCausalLM):
    config_class = Config
"""


@pytest.fixture
def with_code(folder, tmp_path, monkeypatch):
    """A folder that brings a model class, and the file that its code writes."""
    mark = tmp_path / "mark"
    (folder / "own_code.py").write_text(CODE.format(mark=str(mark)))
    edit(
        folder / "config.json",
        model_type="not-known-to-transformers",
        auto_map={"AutoConfig": "own_code.Config", "AutoModelForCausalLM": "own_code.Model"},
    )
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    return folder, mark


def test_code_of_a_folder_is_not_executed(with_code):
    folder, mark = with_code
    with pytest.raises(CheckpointError, match="custom code"):
        load(str(folder))
    assert not mark.exists()


def test_code_is_executed_when_asked_for(with_code, monkeypatch):
    """Else the test above would prove nothing."""
    folder, mark = with_code
    model, _ = load(str(folder), trust_remote_code=True)
    assert mark.read_text() == "executed"
    assert type(model).__name__ == "Model"


def test_known_architecture_wins_over_code(with_code):
    folder, mark = with_code
    edit(folder / "config.json", model_type="llama")
    model, _ = load(str(folder))
    assert type(model).__module__.startswith("transformers.")
    assert not mark.exists()


def test_metrics_are_those_on_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "MODELS", tmp_path)
    (tmp_path / "lab-other").mkdir()
    (tmp_path / "lab-other" / "metrics.json").write_text('{"name": "lab-other", "final_loss": 2.5}')
    assert metrics("lab-other") == {"name": "lab-other", "final_loss": 2.5}


@pytest.mark.parametrize("name", ["gpt2", "", None])
def test_metrics_of_no_lab_model(name):
    with pytest.raises(ModelNotFoundError, match="no lab model .*lab-target, lab-draft, lab-other"):
        metrics(name)
