"""The model itself, inside what compiled it, adapted it, spread it over devices or trained it."""

from __future__ import annotations

import torch

from tokenlab.errors import ArgumentError


def unwrapped(model):
    """The model that a wrapper calls: of ``torch.compile``, PEFT, and data-parallel training.

    Adapters stand in the layers of what is returned, and still work. Compiled models run uncompiled: lengths
    and masks change from call to call, and each would be compiled anew.
    """
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(
            model, torch.nn.parallel.DistributedDataParallel | torch.nn.DataParallel
        ):
            inner = model.module
        if inner is None and _is_peft(model):
            inner = model.get_base_model()
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def check_adapters(name: str, model) -> None:
    """Refuse adapters that are no layers of the model: virtual tokens before the prompt."""
    while model is not unwrapped(model):
        if _is_peft(model) and model.active_peft_config.is_prompt_learning:
            kind = str(
                getattr(model.active_peft_config.peft_type, "value", model.active_peft_config.peft_type)
            )
            raise ArgumentError(
                f"{name} is a {type(model).__name__} with {kind}, which puts virtual tokens before every "
                "prompt; expected adapters inside the layers, such as LoRA, or none"
            )
        model = getattr(model, "_orig_mod", None) or getattr(model, "module", None) or unwrapped(model)


def _is_peft(model) -> bool:
    # By name: PEFT need not be installed, and takes long to import.
    return any(
        kind.__module__ == "peft.peft_model" and kind.__name__ == "PeftModel" for kind in type(model).__mro__
    )


def input_device(model) -> torch.device:
    """Where token ids must be: on the device of the embedding, or where Accelerate moves it when it runs."""
    model = unwrapped(model)
    try:
        embedding = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return model.device
    hook = getattr(embedding, "_hf_hook", None)
    for part in getattr(hook, "hooks", [hook]):
        device = getattr(part, "execution_device", None)
        if device is not None:
            return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    weight = next(embedding.parameters(), None) if isinstance(embedding, torch.nn.Module) else None
    return model.device if weight is None else weight.device
