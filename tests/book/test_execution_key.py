"""The execution cache does not outlive a change in the package."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def execution_key(extension):
    return extension("execution_key")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (
        "tokenlab/ops/api.py",
        "tokenlab/assets/results/r.json",
        "book/claims.yml",
        "requirements.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["tokenlab/ops/api.py", "tokenlab/assets/results/r.json", "book/claims.yml", "requirements.txt"]
)
def test_key_sees_a_change(execution_key, checkout: Path, name: str):
    before = execution_key.execution_key(checkout)
    (checkout / name).write_text("two")
    assert execution_key.execution_key(checkout) != before


def test_key_sees_a_new_name(execution_key, checkout: Path):
    before = execution_key.execution_key(checkout)
    (checkout / "tokenlab/ops/api.py").rename(checkout / "tokenlab/ops/other.py")
    assert execution_key.execution_key(checkout) != before


def test_key_ignores_byte_code_and_pages(execution_key, checkout: Path):
    before = execution_key.execution_key(checkout)
    for name in ("tokenlab/__pycache__/x.pyc", "book/index.md"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("x")
    assert execution_key.execution_key(checkout) == before


def test_cache_is_dropped_on_a_new_key_only(execution_key, tmp_path: Path):
    cache = tmp_path / "_build" / ".jupyter_cache"
    cache.mkdir(parents=True)
    assert execution_key.drop_stale_cache(cache, "one")
    cache.mkdir()
    assert not execution_key.drop_stale_cache(cache, "one") and cache.exists()
    assert execution_key.drop_stale_cache(cache, "two") and not cache.exists()
