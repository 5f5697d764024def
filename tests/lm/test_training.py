"""Model, schedule, losses, optimizers, and a run in one process."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
import torch
from safetensors import safe_open

from tests.support import tiny_corpus as tiny
from tokenlab.errors import ArgumentError
from tokenlab.lm.recipes import LAB_MODELS, RECIPES
from tokenlab.lm.training import (
    build_model,
    build_optimizers,
    distillation_loss,
    learning_rate_factor,
    next_token_loss,
    save_model,
    start_from_teacher,
)


def other(seed: int, tokenizer, **changes):
    return build_model(dataclasses.replace(tiny.RECIPE, seed=seed, **changes), tokenizer)


@pytest.fixture
def batch(tokenizer):
    generator = torch.Generator().manual_seed(2)
    return torch.randint(6, len(tokenizer), (3, 12), generator=generator)


def test_recipes():
    assert LAB_MODELS == tuple(RECIPES) == ("lab-target", "lab-draft", "lab-other")
    target, draft, second = RECIPES.values()
    assert target.layers >= 12
    assert draft.layers == 1
    assert draft.teacher == target.name
    assert target.tokenizer == draft.tokenizer == "byte_level"
    assert second.tokenizer == "sentencepiece"
    for recipe in RECIPES.values():
        assert recipe.context == 512
        assert recipe.hidden % recipe.heads == 0
    for field in ("hidden", "heads", "feed_forward"):  # The draft starts from the target's layers.
        assert getattr(target, field) == getattr(draft, field)


def test_model_has_the_recipes_size(tokenizer):
    model = build_model(tiny.RECIPE, tokenizer)
    config = model.config
    assert config.model_type == "llama"
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (2, 16, len(tokenizer))
    assert config.max_position_embeddings == tiny.RECIPE.context
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )


def test_model_depends_on_the_seed_alone(tokenizer):
    first, second, third = (other(seed, tokenizer).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], third["model.embed_tokens.weight"])


def test_optimizers_cover_every_parameter_once(tokenizer):
    model = build_model(tiny.RECIPE, tokenizer)
    muon, adam = build_optimizers(model, tiny.RECIPE)
    covered = [p for o in (muon, adam) for group in o.param_groups for p in group["params"]]
    assert len(covered) == len({id(p) for p in covered})
    assert {id(p) for p in covered} == {id(p) for p in model.parameters()}
    inner = {id(p) for group in muon.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in inner) == name.endswith("proj.weight"), name
    assert muon.param_groups[0]["lr"] == tiny.RECIPE.learning_rate
    assert adam.param_groups[0]["lr"] == tiny.RECIPE.embedding_learning_rate


@pytest.mark.parametrize("name", ["tiny", *LAB_MODELS])
def test_schedule_in_closed_form(name):
    recipe = RECIPES.get(name, tiny.RECIPE)
    fall = recipe.decay_share * recipe.steps
    for step in range(recipe.steps):
        expected = min((step + 1) / recipe.warmup_steps, 1.0, (recipe.steps - step) / fall)
        assert learning_rate_factor(step, recipe) == pytest.approx(expected)
    factors = [learning_rate_factor(step, recipe) for step in range(recipe.steps + 1)]
    assert factors[0] == pytest.approx(1 / recipe.warmup_steps)
    assert factors[recipe.warmup_steps - 1] == 1
    assert factors[int(recipe.steps - fall)] == 1
    assert factors[-1] == 0
    assert max(factors) == 1
    assert min(factors[:-1]) > 0


def test_schedule_without_warmup_or_decay():
    recipe = dataclasses.replace(tiny.RECIPE, warmup_steps=0, decay_share=0.0)
    assert [learning_rate_factor(step, recipe) for step in range(recipe.steps)] == [1.0] * recipe.steps


def test_next_token_loss_is_the_formula(tokenizer, batch):
    model = other(0, tokenizer)
    log_probs = model(input_ids=batch).logits.double().log_softmax(-1)
    nats = [-log_probs[r, i - 1, batch[r, i]] for r in range(3) for i in range(1, 12)]
    assert next_token_loss(model, batch).item() == pytest.approx(sum(nats).item() / len(nats), rel=1e-5)


def test_distillation_loss_is_the_formula(tokenizer, batch):
    teacher, model = other(1, tokenizer), other(0, tokenizer)
    with torch.no_grad():  # One far from uniform, the other not: the two directions differ.
        teacher.lm_head.weight.mul_(20)
    p, q = (m(input_ids=batch).logits.double().log_softmax(-1) for m in (teacher, model))
    expected = (p.exp() * (p - q)).sum(-1).mean().item()
    assert expected > 0.1
    assert distillation_loss(model, teacher, batch).item() == pytest.approx(expected, rel=1e-4)
    assert distillation_loss(teacher, model, batch).item() != pytest.approx(expected, rel=1e-2)


def test_distillation_loss_of_identical_models_is_zero(tokenizer, batch):
    teacher, model = other(0, tokenizer), other(0, tokenizer)
    assert distillation_loss(model, teacher, batch).item() == pytest.approx(0, abs=1e-6)


def test_distillation_moves_the_model_only(tokenizer, batch):
    teacher, model = other(1, tokenizer), other(0, tokenizer)
    distillation_loss(model, teacher, batch).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_start_from_teacher_copies(tokenizer):
    teacher, model = other(1, tokenizer), other(0, tokenizer, layers=1)
    start_from_teacher(model, teacher)
    state, source = model.state_dict(), teacher.state_dict()
    assert any(".layers.0." in name for name in state)
    assert all(torch.equal(value, source[name]) for name, value in state.items())
    with torch.no_grad():  # A copy, not a share.
        model.model.norm.weight.add_(1)
    assert torch.equal(teacher.model.norm.weight, torch.ones(16))


@pytest.mark.parametrize("changes", [{"layers": 3}, {"hidden": 32}, {"feed_forward": 48}])
def test_start_from_a_teacher_that_does_not_fit(tokenizer, changes):
    with pytest.raises(ArgumentError, match=r"teacher has no model\.\S+ of shape"):
        start_from_teacher(other(0, tokenizer, **changes), other(1, tokenizer))


def test_loss_goes_down(trained):
    _, run = trained
    assert run.step == len(run.losses) == tiny.RECIPE.steps
    first, last = sum(run.losses[:3]) / 3, sum(run.losses[-3:]) / 3
    assert first == pytest.approx(5.7, abs=0.3)  # log 300
    assert last < first - 1
    assert run.seconds > 0
    assert run.processes == 1
    assert run.device.startswith("cpu")


def test_distillation_goes_down(quick, model):
    student = dataclasses.replace(tiny.RECIPE, name="student", layers=1, steps=15, teacher="tiny")
    trained, run = quick(student, teacher=model)
    assert trained.config.num_hidden_layers == 1
    assert run.losses[-1] < 0.7 * run.losses[0]


def test_micro_batches_change_nothing(quick, trained):
    _, run = quick(micro_batch_size=2, stop_after=30)
    assert run.losses == pytest.approx(trained[1].losses, rel=1e-4)


def test_repeating_a_run_repeats_its_losses(quick, trained):
    assert quick(stop_after=6)[1].losses == trained[1].losses[:6]


def test_heldout_documents_are_left_aside(quick, trained, documents):
    """Other held-out text, equal losses; other training text, other losses."""
    swapped = [dataclasses.replace(d, text="Other text.\n" * 50) if d.heldout else d for d in documents]
    assert quick(texts=swapped, stop_after=2)[1].losses == trained[1].losses[:2]
    changed = [dataclasses.replace(d, text="Other text.\n" * 50) if not d.heldout else d for d in documents]
    assert quick(texts=changed, folder="other", stop_after=2)[1].losses != trained[1].losses[:2]


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ({}, {"micro_batch_size": 3}, "micro_batch_size is 3, which does not divide 8 rows"),
        ({}, {"micro_batch_size": 0}, "micro_batch_size is 0, expected 1 to 8"),
        ({}, {"micro_batch_size": 9}, "micro_batch_size is 9, expected 1 to 8"),
        ({"batch_size": 0}, {}, "batch_size is 0, expected at least 1"),
        ({"steps": 0}, {}, "steps is 0, expected at least 1"),
        ({}, {"stop_after": 0}, "stop_after is 0, expected at least 1"),
        ({"context": 100_000}, {}, "do not fill one row"),
    ],
)
def test_bad_sizes(quick, recipe, options, message):
    with pytest.raises(ArgumentError, match=message):
        quick(dataclasses.replace(tiny.RECIPE, **recipe), **options)


def test_save_model(model, tokenizer, model_folder):
    weights = [
        p.name for p in model_folder.iterdir() if p.suffix in {".safetensors", ".bin", ".pt", ".pth", ".pkl"}
    ]
    assert weights == ["model.safetensors"]
    names = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in model_folder.iterdir()} == names | set(weights)
    assert json.loads((model_folder / "config.json").read_text())["dtype"] == "float16"
    with safe_open(model_folder / "model.safetensors", "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert {value.dtype for value in stored.values()} == {torch.float16}
    # The embeddings are tied: one copy is stored.
    assert {name for name, _ in model.named_parameters()} == set(stored)
    for name, parameter in model.named_parameters():
        assert torch.equal(stored[name], parameter.half())


def test_saving_leaves_the_model_alone(tokenizer, tmp_path):
    model = other(0, tokenizer)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    save_model(model, tokenizer, tmp_path / "deep" / "folder")
    assert model.config.dtype in (None, torch.float32)
    assert model.dtype == torch.float32
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_saving_twice_gives_equal_bytes(model, tokenizer, model_folder, tmp_path):
    save_model(model, tokenizer, tmp_path / "again")
    for path in model_folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_curves_differ_between_seeds(quick, trained):
    _, run = quick(dataclasses.replace(tiny.RECIPE, seed=1), stop_after=3)
    assert all(a != b for a, b in itertools.zip_longest(run.losses, trained[1].losses[:3]))
