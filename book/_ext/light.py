"""Pages load what they use, once, and no script before their text.

The search's scripts are loaded by the search page alone, see ``book/_templates/layout.html``;
the icons that pages use are chosen by ``icons.py``.
"""

from __future__ import annotations

from tokenlab.figures.playing import player_script

#: An inline script reads what this one, a few bytes long, has set.
AT_ONCE = ("documentation_options.js",)


def described(asset) -> str:
    """File name and attributes of a script or a style sheet, an inline script included."""
    return f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', '')}".lower()


def unused(app, pagename: str, body: str) -> list[str]:
    """Parts of the names of what this page does not use."""
    result = ["sphinx-thebe"]
    # Sphinx counts the equations of the pages below, too: the index would load MathJax.
    if not app.env.get_domain("math").data["has_equations"].get(pagename):
        result.append("mathjax")
    if "sd-" not in body:
        result += ["sphinx-design", "design-tabs"]
    return result


def deferred(script):
    """The script, to run when the page has been read; pages share their scripts, so a new one."""
    filename = str(getattr(script, "filename", None) or "")
    if not filename or filename.endswith(AT_ONCE):
        return script
    return type(script)(filename, priority=script.priority, **{**script.attributes, "defer": "defer"})


def once(body: str) -> str:
    """The page with the script of its players where the last one stands: it takes all of them."""
    tag = f"<script>{player_script()}</script>"
    return body.replace(tag, "", max(0, body.count(tag) - 1))


def lighten(app, pagename, templatename, context, doctree) -> None:
    names = unused(app, pagename, context.get("body", ""))
    if "body" in context:
        context["body"] = once(context["body"])
    for kind in ("script_files", "css_files"):
        if kind in context:
            context[kind] = [
                asset for asset in context[kind] if not any(name in described(asset) for name in names)
            ]
    if pagename != "search":  # Its own scripts, in the page's body, do not wait.
        context["script_files"] = [deferred(script) for script in context.get("script_files", [])]


def setup(app) -> dict:
    # After everything else has put its files on the page.
    app.connect("html-page-context", lighten, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
