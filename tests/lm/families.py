"""Every family of causal models that transformers knows, tiny and random: does it run here, and exactly?

``python -m tests.lm.families`` tries all of them and records what it found.
"""

from __future__ import annotations

import inspect
import json
import multiprocessing as mp
import resource
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from tests.support.model_families import all_logits, greedy_text
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.errors import ArgumentError, SlowPathWarning
from tokenlab.lm.provenance import versions
from tokenlab.sampling import generate as sample
from tokenlab.transport import Branching
from tokenlab.transport import generate as draft_and_verify

RECORD = Path(__file__).with_name("families.json")
SECONDS = 240
MOST_PARAMETERS = 30_000_000
MOST_MEMORY = 10 * 2**30

#: What a configuration may call its sizes.
_SIZES = {
    29: "vocab_size vocab_size_per_layer_input",
    # Few heads of an indexer leave many scores at zero; which of equal ones it takes depends on the length.
    32: "index_n_heads hidden_size n_embd d_model dim emb_dim embedding_size word_embed_proj_dim attention_hidden_size lru_width"
    " sliding_window attention_window_size",
    2: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_key_value_heads num_kv_heads"
    " num_experts_per_tok moe_topk expand_ratio mamba_expand linear_num_key_heads",
    4: "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads num_experts"
    " num_local_experts n_routed_experts moe_num_experts linear_num_value_heads rotary_dim time_step_rank"
    " mamba_dt_rank index_topk prompt_length prompt_types segment_types",
    8: "head_dim kv_lora_rank q_lora_rank qk_rope_head_dim qk_nope_head_dim v_head_dim state_size mamba_d_state"
    " mamba_n_heads mamba_d_head linear_key_head_dim linear_value_head_dim hidden_size_per_layer_input dim_head"
    " kv_channels index_head_dim",
    16: "moe_intermediate_size shared_expert_intermediate_size",
    48: "intermediate_size ffn_dim n_inner d_ff dim_ff ffn_hidden_size decoder_ffn_dim encoder_ffn_dim",
    64: "max_position_embeddings n_positions n_ctx",
    0.4: "initializer_range init_std std",
    1: "eos_token_id n_group topk_group first_k_dense_replace n_shared_experts",
    0: "bos_token_id num_nextn_predict_layers",
}
SMALL = {name: size for size, names in _SIZES.items() for name in names.split()}
SMALL |= {"pad_token_id": 2, "is_decoder": True}
#: Left as they are where the configuration has None, which means that there is none, or that it is computed.
_OPTIONAL = ("sliding_window", "head_dim", "q_lora_rank", "n_inner")
#: Multi-head latent attention: as many heads of keys as of queries.
_LATENT = [
    "deepseek_v2",
    "deepseek_v3",
    "deepseek_v32",
    "axk1",
    "axk2",
    "glm4_moe_lite",
    "glm_moe_dsa",
    "longcat_flash",
    "minicpm3",
    "youtu",
]
#: What the sizes above leave in contradiction.
_CHANGES = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 32},
    "falcon_h1": {"mamba_d_ssm": 64},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 8},
    **{kind: {"head_dim": 8} for kind in ("hunyuan_v1_dense", "hunyuan_v1_moe", "ministral")},
    **{kind: {"num_key_value_heads": 4} for kind in _LATENT},
}

PROMPT = [3, 9, 4, 8, 5]
NEW = 6


def tiny_family(kind: type, seed: int = 0):
    """A random model of a configuration class with all its sizes small, in eval mode."""
    import transformers

    torch.manual_seed(seed)
    config = kind(**_small(kind))
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    # Its forward is what is tried; rules of generation have tests of their own.
    model.generation_config = transformers.GenerationConfig()
    return model


def _small(kind: type) -> dict:
    known = {name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})}
    known |= set(inspect.signature(kind.__init__).parameters) | set(kind.attribute_map)
    default = kind()

    def given(name: str) -> bool:
        if kind.attribute_map.get(name, name) not in known or not _has(default, name):
            return False
        return name not in _OPTIONAL or getattr(default, name) is not None

    sizes = {name: size for name, size in SMALL.items() if given(name)}
    return sizes | _CHANGES.get(kind.model_type, {})


def _has(config, name: str) -> bool:
    try:
        return hasattr(config, name)
    except RuntimeError:  # says that layers differ in it
        return False


def _one_text(model, draft, expected) -> bool:
    ids = torch.tensor([PROMPT])
    found = sample(model, ids, rule="greedy", max_new_tokens=NEW, eos_token_id=())
    return found.sequences[0, len(PROMPT) :].tolist() == expected(PROMPT)


def _padded(short: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    pad = len(PROMPT) - short
    ids = torch.tensor([[2] * pad + PROMPT[:short], PROMPT])
    return ids, torch.tensor([[0] * pad + [1] * short, [1] * len(PROMPT)])


def _padded_batch(model, draft, expected) -> bool:
    found = sample(model, *_padded(), rule="greedy", max_new_tokens=NEW, eos_token_id=())
    return found.sequences[:, len(PROMPT) :].tolist() == [expected(PROMPT[:3]), expected(PROMPT)]


def _drafts(model, draft, expected) -> bool:
    options = {"drafts": Branching(2, 1, 1), "do_sample": False, "max_new_tokens": NEW, "eos_token_id": ()}
    found = draft_and_verify(model, draft, *_padded(), **options)
    return found.sequences[:, len(PROMPT) :].tolist() == [expected(PROMPT[:3]), expected(PROMPT)]


def _contexts(model, draft, expected) -> bool:
    """Logits along a text and after a sibling of its third token."""
    text, forest = [*PROMPT, 7, 6, 10], ContextForest(model)
    nodes = [forest.root(text[:2])]
    for token in text[2:]:
        forest.logits(nodes[-1:])
        nodes += forest.children([(nodes[-1], token)])
    nodes += forest.children([(nodes[0], 11)])
    right = torch.cat([all_logits(model, text)[1:], all_logits(model, [*text[:2], 11])[-1:]])
    found = forest.logits(nodes)
    return bool((found - right.to(found)).abs().max() <= 1e-3 * right.abs().max().clamp(min=1))


#: What is tried: a name for the page, and whether it gave what forwards without cache or padding give.
TRIALS: dict[str, Callable[..., bool]] = {
    "text": _one_text,
    "batch": _padded_batch,
    "drafts": _drafts,
    "bytes": _contexts,
}


def outcome(trial: Callable[..., bool], *arguments) -> str:
    """``cache``, ``afresh`` (exact, each forward reads the whole text), ``wrong``, ``refused: why``,
    or ``raw error``."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exact = trial(*arguments)
        except ArgumentError as error:
            return f"refused: {error}"
        except Exception as error:
            return f"raw error: {_in_short(error)}"
    if not exact:
        return "wrong"
    slow = [str(each.message) for each in caught if issubclass(each.category, SlowPathWarning)]
    return f"afresh: {slow[0]}" if slow else "cache"


def try_family(kind: type) -> dict[str, str]:
    """The outcome of each trial, or ``{"not tried": why}`` for what is no small model by these sizes."""
    try:
        model, draft = tiny_family(kind), tiny_family(kind, seed=1)
        if model.num_parameters() > MOST_PARAMETERS:
            return {"not tried": f"{model.num_parameters()} parameters remain"}
        model, draft = _as_exact_as_can_be(model, draft)
        expected = {length: greedy_text(model, PROMPT[:length], NEW) for length in (3, len(PROMPT))}
    except Exception as error:
        return {"not tried": _in_short(error)}
    results = {"class": type(model).__name__}
    for name, trial in TRIALS.items():
        results[name] = outcome(trial, model, draft, lambda prompt: expected[len(prompt)])
    return results


def _in_short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:120]}"


def _as_exact_as_can_be(*models):
    """In float64, or in float32 where parts of the model know no other."""
    try:
        for model in models:
            all_logits(model.double(), PROMPT)
        return models
    except (RuntimeError, TypeError):
        return [model.float() for model in models]


def try_alone(kind: type) -> dict[str, str]:
    """``try_family`` in a process of its own, with a bound on memory and time: some configurations stay large."""
    here, there = mp.get_context("fork").Pipe(duplex=False)
    process = mp.get_context("fork").Process(target=_try_bounded, args=(kind, there))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(SECONDS) else {"not tried": f"more than {SECONDS} s"}
    except EOFError:
        return {"not tried": "its process ended"}
    finally:
        process.kill()
        process.join()


def _try_bounded(kind: type, answer) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    answer.send(try_family(kind))


def families() -> dict[str, type]:
    """Configuration classes by model type."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    return {kind.model_type: kind for kind in MODEL_FOR_CAUSAL_LM_MAPPING}


def main(names: Sequence[str] = ()) -> None:
    """Try the families named, or all, and write what was found into the record."""
    kinds = families()
    record = json.loads(RECORD.read_text()) if names else {"families": {}}
    found = record["families"]
    for name in names or sorted(kinds):
        found[name] = try_alone(kinds[name])
        print(name, json.dumps(found[name]), flush=True)
    record = {"versions": versions("torch", "transformers"), "families": dict(sorted(found.items()))}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
