"""A tiny random Llama in float64, and left-padded prompts for it."""

from __future__ import annotations

import pytest
import torch

VOCAB = 61
EOS, PAD = 1, 2


def tiny_model(seed: int = 0, dtype: torch.dtype = torch.float64, **options):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        # Wide weights, so that the next-token distributions are far from uniform.
        initializer_range=0.4,
        bos_token_id=0,
        eos_token_id=EOS,
        pad_token_id=PAD,
        **options,
    )
    return LlamaForCausalLM(config).to(dtype).eval()


@pytest.fixture(scope="session")
def model():
    return tiny_model()


@pytest.fixture(scope="session")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Three prompts of 6, 4 and 1 tokens, padded on the left."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(3, VOCAB, (3, 6), generator=generator)
    mask = torch.ones_like(ids)
    for row, length in enumerate((6, 4, 1)):
        ids[row, : 6 - length], mask[row, : 6 - length] = PAD, 0
    return ids, mask
