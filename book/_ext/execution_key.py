"""Execute notebooks again when the package changed, not only when their cells did.

Jupyter Book keys its execution cache on the cells alone, and Sphinx reads a page again
only when the page changed. Neither sees a change in the package that the notebooks
import, so old numbers would stay on the page. Here everything that an output can depend
on is hashed: on a new hash the cache is removed and every page is read again.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from sphinx.util import logging

ROOT = Path(__file__).parents[2]
SOURCES = ("tokenlab/**/*", "book/claims.yml", "requirements.txt", "pyproject.toml")
logger = logging.getLogger(__name__)


def execution_key(root: Path = ROOT) -> str:
    """SHA-256 over the names and contents of all that a notebook's output depends on."""
    digest = hashlib.sha256(repr(sys.version_info[:3]).encode())
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def drop_stale_cache(cache: Path, key: str) -> bool:
    """Remove the execution cache unless it was made under this key; say whether it was."""
    stamp = cache.with_name(cache.name + ".key")
    if stamp.exists() and stamp.read_text() == key:
        return False
    stale = cache.exists()
    shutil.rmtree(cache, ignore_errors=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)
    return stale


def on_config(app, config) -> None:
    key = execution_key()
    # Jupyter Book names the cache; plain Sphinx leaves the path to MyST-NB's default.
    cache = Path(config.nb_execution_cache_path or Path(app.outdir).parent / ".jupyter_cache")
    if drop_stale_cache(cache, key):
        logger.info("tokenlab changed since the last build: every notebook is executed again")
    config.execution_key = key


def setup(app) -> dict:
    # "env": with another value, Sphinx reads every page again.
    app.add_config_value("execution_key", "", "env")
    app.connect("config-inited", on_config, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
