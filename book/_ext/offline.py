"""Published pages load nothing from other hosts.

MathJax is copied from the installed package ``sphinx-mathjax-offline`` (it is not in the
repository), in parts, without its menu, which is as large as all the rest. The scripts that
would fetch thebe, require.js and the widget manager are left out. Widgets need a kernel; the
page shows their static twin.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from pathlib import Path

DISTRIBUTION = "sphinx-mathjax-offline"
ENTRY = "startup.js"
#: What the entry loads at once; the last makes MathML for screen readers.
COMPONENTS = ("core", "input/tex", "output/chtml", "a11y/assistive-mml")
#: What these load on demand: fonts, and TeX extensions that are rarely used.
ON_DEMAND = ("output/chtml/fonts/", "input/tex/extensions/")
EXTERNAL_SCRIPT = re.compile(r"THEBE_JS_URL|sphinx-thebe|//", re.I)


def mathjax_files() -> dict[str, Path]:
    """The files of MathJax that pages may load: name below ``_static/mathjax`` -> source."""
    wanted = {ENTRY, *(f"{name}.js" for name in COMPONENTS)}
    found = {}
    for file in importlib.metadata.files(DISTRIBUTION) or ():
        name = file.as_posix().partition("static/mathjax/")[2]
        if name in wanted or name.startswith(ON_DEMAND):
            found[name] = Path(file.locate())
    if missing := wanted - set(found):
        raise FileNotFoundError(f"{DISTRIBUTION} carries no {', '.join(sorted(missing))}")
    return found


def on_config(app, config) -> None:
    config.mathjax_path = f"mathjax/{ENTRY}"
    # As large with every font of the text: a page is looked at on one machine and read on others.
    size = {"matchFontHeight": False, "scale": 1.15}
    ours = {"loader": {"load": list(COMPONENTS)}, "chtml": size}
    config.mathjax3_config = {**(config.mathjax3_config or {}), **ours}
    config.nb_ipywidgets_js = {}


def drop_external_scripts(app, pagename, templatename, context, doctree) -> None:
    """Take scripts of other hosts, and what serves only them, off the page."""
    if "script_files" in context:
        context["script_files"] = [
            script
            for script in context["script_files"]
            if not EXTERNAL_SCRIPT.search(
                str(getattr(script, "filename", script) or "")
                + str(getattr(script, "attributes", {}).get("body", ""))
            )
        ]


def copy_mathjax(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    for name, source in mathjax_files().items():
        target = Path(app.outdir) / "_static" / "mathjax" / name
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def setup(app) -> dict:
    app.connect("config-inited", on_config, priority=900)
    app.connect("html-page-context", drop_external_scripts, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
