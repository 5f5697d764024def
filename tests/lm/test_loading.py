"""Loading: names, folders, and what is said when it cannot be done."""

from __future__ import annotations

import json
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from tokenlab.errors import ArgumentError, CheckpointError, DtypeError, ModelNotFoundError
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


@pytest.mark.parametrize("name", ["lab-targt", "Lab-Draft", "lab_other", "lab-target/", "labtarget"])
def test_a_slip_in_a_lab_models_name_asks_no_hub(name, monkeypatch):
    """Without a network the Hub is asked again and again before it is given up."""

    def refuse(*_, **__):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(loading, "_from_pretrained", refuse)
    with pytest.raises(ModelNotFoundError, match=f"{name!r}: did you mean 'lab-(target|draft|other)'"):
        load(name)


@pytest.mark.parametrize(
    "name", ["gpt2", "distilgpt2", "my-target", "HuggingFaceTB/SmolLM2-135M", "someone/lab-target"]
)
def test_the_hub_is_asked_for_other_names(name, monkeypatch):
    asked = []

    def answer(source, *_, **__):
        asked.append(source.place)
        return torch.nn.Linear(1, 1), None

    monkeypatch.setattr(loading, "_from_pretrained", answer)
    load(name)
    assert asked == [name]


def test_a_folder_with_nearly_a_lab_models_name_is_loaded(folder, monkeypatch):
    folder.rename(folder.parent / "lab-targt")
    monkeypatch.chdir(folder.parent)
    assert load("lab-targt")[0].config.num_hidden_layers == 2


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
@pytest.mark.parametrize("content", ['{"a"', "{}", "[]", '"a"'])
def test_damaged_json(folder, name, content):
    (folder / name).write_text(content)
    part = "tokenizer" if name == "tokenizer.json" else "config.json|model|tokenizer"
    with pytest.raises(CheckpointError, match=f"cannot be loaded, because of its ({part}): "):
        load(str(folder))


@pytest.mark.parametrize("content", ["{", "[1]", '"a"', ""])
def test_damaged_generation_config(folder, content):
    """transformers alone would go on without it: the model would lose its ends of text."""
    (folder / "generation_config.json").write_text(content)
    with pytest.raises(
        CheckpointError, match=r"generation_config\.json|cannot be loaded, because of its model"
    ):
        load(str(folder))


def test_damaged_generation_config_of_the_hub(folder, monkeypatch):
    (folder / "generation_config.json").write_text("{")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda source, file: str(folder / file))
    with pytest.raises(
        CheckpointError, match=r"generation_config\.json cannot be read, by which 'some/model'"
    ):
        loading.check_generation_config("some/model", "some/model", local=False)


def test_without_a_generation_config(folder):
    (folder / "generation_config.json").unlink(missing_ok=True)
    assert load(str(folder))[0].generation_config is not None


@pytest.mark.parametrize("change", [{"model_type": "no_such_type"}, {"hidden_size": 32}, {"vocab_size": 301}])
def test_configuration_that_does_not_fit(folder, change):
    edit(folder / "config.json", **change)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(str(folder))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": "a"}, "config.json: StrictDataclass"),
        ({"vocab_size": 1.5}, "config.json: StrictDataclass"),
        ({"num_attention_heads": 0}, "ZeroDivisionError"),
        ({"hidden_act": "no-such"}, "KeyError"),
        ({"quantization_config": "a"}, "AttributeError"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "ImportError: .*optimum"),
        ({"_attn_implementation": "flash_attention_2"}, "ImportError: .*FlashAttention2"),
    ],
    ids=str,
)
def test_configuration_that_raises_errors_of_other_kinds(folder, change, words):
    edit(folder / "config.json", **change)
    with pytest.raises(CheckpointError, match=f"cannot be loaded, because of its .*{words}"):
        load(str(folder))


@pytest.mark.parametrize("index", ["{", "{}", "[]", {"weight_map": {"lm_head.weight": "gone.safetensors"}}])
def test_damaged_index_and_missing_shard(folder, index):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    text = index if isinstance(index, str) else json.dumps(index)
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match="cannot be loaded, because of its model"):
        load(str(folder))


def test_sentencepiece_file_alone_names_the_packages_that_read_it(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"\x0a\x0a\x0a")
    edit(folder / "tokenizer_config.json", tokenizer_class="LlamaTokenizer")
    with pytest.raises(
        CheckpointError, match="tokenizer.model and no tokenizer.json: the packages sentencepiece"
    ):
        load(str(folder))


@pytest.mark.parametrize("device", ["no-such", "cuda:99", "mps:7", "cpu:x"])
def test_device_that_is_not_there(folder, device):
    with pytest.raises(ArgumentError, match=f"device is '{device}', expected one that can be used here: "):
        load(str(folder), device=device)


@pytest.mark.parametrize("device", [None, 1.5, object(), ["cpu"]])
def test_bad_device(folder, device):
    with pytest.raises(DtypeError, match="device must be a torch.device or its name, found"):
        load(str(folder), device=device)


@pytest.mark.parametrize("trust", ["yes", 1, None])
def test_trust_is_given_as_a_bool(folder, trust):
    with pytest.raises(DtypeError, match="trust_remote_code must be a bool, found"):
        load(str(folder), trust_remote_code=trust)


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


@pytest.mark.parametrize(
    ("line", "words"),
    [("1 / 0", "ZeroDivisionError"), ("import no_such_package_of_ours", "no_such_package_of_ours")],
)
def test_code_that_fails(with_code, line, words):
    folder, _ = with_code
    path = folder / "own_code.py"
    path.write_text(f"{line}\n{path.read_text()}")
    with pytest.raises(CheckpointError, match=f"because of its config.json: .*{words}"):
        load(str(folder), trust_remote_code=True)


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
