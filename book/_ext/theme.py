"""Options of the theme that Jupyter Book's configuration has no keys for.

Given as ``sphinx: config: html_theme_options`` they would replace all that Jupyter Book makes
of its own keys: launch buttons, the repository's buttons, the footer.
"""

from __future__ import annotations

OPTIONS = {
    "show_toc_level": 2,
    # Code is read as text is: at least 4.5:1, in both themes.
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def on_config(app, config) -> None:
    config.html_theme_options = {**config.html_theme_options, **OPTIONS}


def setup(app) -> dict:
    app.connect("config-inited", on_config)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
