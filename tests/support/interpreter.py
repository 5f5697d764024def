"""Triton's interpreter, several times faster where kernels call many small functions.

Before each call of a function inside a kernel it looks through Triton's whole language for
what it must replace, although the launch has replaced it already.
"""

from __future__ import annotations

import pytest


def replace_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look through the language only where it is not replaced yet."""
    import triton.language as tl
    from triton.runtime import interpreter

    replace = getattr(interpreter, "_patch_lang", None)
    if replace is None or not hasattr(interpreter, "_LangPatchScope"):
        return  # another version: slower, and right

    def needed(function):
        languages = [value for value in function.__globals__.values() if value is tl or value is tl.core]
        if languages and not any(tl.core.is_builtin(language.load) for language in languages):
            return interpreter._LangPatchScope()
        return replace(function)

    monkeypatch.setattr(interpreter, "_patch_lang", needed)
