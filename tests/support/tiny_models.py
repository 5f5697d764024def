"""Tiny random models of three architectures for all wings, and what plain forwards of them say."""

from __future__ import annotations

from itertools import product

import torch

EOS, PAD = 1, 2
ARCHITECTURES = ("llama", "gpt2", "qwen2")


def tiny_model(
    architecture: str = "llama",
    *,
    vocab: int = 29,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    attention: str = "sdpa",
    positions: int = 64,
    layers: int = 2,
    hidden: int = 32,
    heads: int = 4,
    kv_heads: int = 2,
    spread: float = 0.4,
    **special,
):
    """A model with wide weights, so that its distributions are far from uniform."""
    import transformers

    torch.manual_seed(seed)
    special = {"bos_token_id": 0, "eos_token_id": EOS, "pad_token_id": PAD} | special
    if architecture == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=vocab,
            n_positions=positions,
            n_embd=hidden,
            n_layer=layers,
            n_head=kv_heads,
            initializer_range=spread,
            **special,
        )
    else:
        kind = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}[architecture]
        config = kind(
            vocab_size=vocab,
            hidden_size=hidden,
            intermediate_size=hidden * 3 // 2,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            max_position_embeddings=positions,
            initializer_range=spread,
            **special,
        )
    config._attn_implementation = attention
    return transformers.AutoModelForCausalLM.from_config(config).to(dtype).eval()


def plain_logits(model, tokens: list[int]) -> torch.Tensor:
    """Logits after the last token, without cache, padding or tree."""
    with torch.inference_mode():
        return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0, -1]


def sequence_distribution(model, prompt: list[int], length: int, process) -> torch.Tensor:
    """Probability of each continuation, indexed by its tokens."""
    vocab = model.config.vocab_size
    distribution = torch.ones((), dtype=torch.float64)
    for depth in range(length):
        prefixes = torch.tensor(list(product(range(vocab), repeat=depth)), dtype=torch.long)
        texts = torch.cat([torch.tensor([prompt]).expand(len(prefixes), -1), prefixes], 1)
        with torch.inference_mode():
            step = process(model(input_ids=texts, use_cache=False).logits[:, -1])
        distribution = distribution.unsqueeze(-1) * step.double().view(*[vocab] * depth, vocab)
    return distribution
