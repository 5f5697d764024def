"""Tiny random causal models of families that keep other states than all keys and values, or are wrapped."""

from __future__ import annotations

import torch

from tests.support.tiny_models import EOS, PAD, tiny_model

VOCAB = 29
_SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "initializer_range": 0.4,
    "bos_token_id": 0,
    "eos_token_id": EOS,
    "pad_token_id": PAD,
}
_ATTENTION = _SIZES | {
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
_NARROW = {"head_dim": 8, "sliding_window": 8}
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0] * 4,
    "original_max_position_embeddings": 16,
}
#: Name: configuration class and its arguments.
CONFIGS = {
    "mamba": ("MambaConfig", _SIZES | {"state_size": 8}),
    "mamba2": ("Mamba2Config", _SIZES | {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1}),
    "rwkv": (
        "RwkvConfig",
        {key: value for key, value in _SIZES.items() if key != "initializer_range"}
        | {"attention_hidden_size": 32, "context_length": 64},
    ),
    "jamba": (
        "JambaConfig",
        _ATTENTION
        | {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 1,
            "num_experts_per_tok": 1,
            "mamba_d_state": 4,
            "mamba_dt_rank": 4,
        },
    ),
    "mistral": ("MistralConfig", _ATTENTION | {"sliding_window": 8}),
    "gemma2": ("Gemma2Config", _ATTENTION | _NARROW),
    "gemma3": (
        "Gemma3TextConfig",
        _ATTENTION | _NARROW | {"layer_types": ["sliding_attention", "full_attention"]},
    ),
    "cohere2": ("Cohere2Config", _ATTENTION | {"sliding_window": 8}),
    "phi3": (
        "Phi3Config",
        _ATTENTION | {"rope_parameters": _LONGROPE, "original_max_position_embeddings": 16},
    ),
    "opt": (
        "OPTConfig",
        {
            "vocab_size": VOCAB,
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
            "init_std": 0.4,
            "bos_token_id": 0,
            "eos_token_id": EOS,
            "pad_token_id": PAD,
        },
    ),
    "lfm2": ("Lfm2Config", _ATTENTION | {"layer_types": ["conv", "full_attention"]}),
    "roberta": (
        "RobertaConfig",
        _SIZES
        | {
            "intermediate_size": 48,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
            "is_decoder": True,
        },
    ),
    "bloom": (
        "BloomConfig",
        {"vocab_size": VOCAB, "hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.4},
    ),
}
#: Loaded like causal models, but tokens see those that follow.
LOOKING_AHEAD = {
    # It puts a prompt of its own before every text, sees all of both, and takes token 0 for padding.
    "cpmant": (
        "CpmAntConfig",
        {
            "vocab_size": VOCAB,
            "hidden_size": 32,
            "num_attention_heads": 4,
            "dim_head": 8,
            "dim_ff": 48,
            "num_hidden_layers": 2,
            "prompt_types": 4,
            "prompt_length": 4,
            "segment_types": 4,
            "init_std": 0.4,
        },
    )
}
RECURRENT = ("mamba", "mamba2", "rwkv", "jamba")
SLIDING = ("mistral", "gemma2", "gemma3", "cohere2")


def family_model(name: str, seed: int = 0, dtype: torch.dtype = torch.float64, **changes):
    """A causal model of a family, in eval mode."""
    import transformers

    torch.manual_seed(seed)
    kind, options = (CONFIGS | LOOKING_AHEAD)[name]
    config = getattr(transformers, kind)(**(options | changes))
    return transformers.AutoModelForCausalLM.from_config(config).to(dtype).eval()


def wrapped_model(wrapper: str, architecture: str = "gpt2", seed: int = 0):
    """The tiny model inside a wrapper, and the same without."""
    plain, inner = (tiny_model(architecture, seed=seed, spread=0.5) for _ in range(2))
    if wrapper == "compiled":
        return torch.compile(inner), plain
    if wrapper == "offloaded":
        import accelerate

        return accelerate.cpu_offload(inner, execution_device="cpu"), plain
    import peft

    layers = {"gpt2": ["c_attn"], "llama": ["q_proj"]}[architecture]
    torch.manual_seed(seed + 1)
    inner = peft.get_peft_model(
        inner, peft.LoraConfig(task_type="CAUSAL_LM", target_modules=layers, init_lora_weights=False)
    )
    torch.manual_seed(seed + 1)
    twin = peft.get_peft_model(
        plain, peft.LoraConfig(task_type="CAUSAL_LM", target_modules=layers, init_lora_weights=False)
    )
    return inner.eval(), twin.eval().merge_and_unload()


WRAPPERS = ("compiled", "offloaded", "lora")


def all_logits(model, tokens: list[int]) -> torch.Tensor:
    """Logits after each token, from a forward without cache."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]


def greedy_text(model, prompt: list[int], steps: int) -> list[int]:
    """The most probable tokens after a prompt, each from a forward of its own."""
    text = list(prompt)
    for _ in range(steps):
        text.append(int(all_logits(model, text)[-1].argmax()))
    return text[len(prompt) :]
