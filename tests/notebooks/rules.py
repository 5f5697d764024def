"""Rules of a page that teaches: each takes a notebook and returns what is wrong, with the number of the cell."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

#: Calls whose value is a picture or a table, which a notebook shows only as the last expression of a cell.
DISPLAYS = {"show", "player", "table", "texts"}
#: Modules by which they may also be called.
FROM = {"figures", "tables"}
FOLDED = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
#: Characters of a line of code that fit the column at 1280 px.
WIDTH = 88
#: Code that a reader sees, as a share of the page: ten words are about a line.
CODE_SHARE = 0.33
PUNCTUATION = re.escape(",.;:!?)]}–—…·|/")
EXERCISE = re.compile(r"\((?:easy|medium|hard), (\d+) minutes\)")

Faults = list[str]


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def is_assignment(notebook) -> bool:
    return any("otter_answer_cell" in tags(cell) for cell in notebook.cells)


def code_cells(notebook) -> Iterator[tuple[int, object, ast.Module]]:
    """Number, cell and syntax tree of each cell of code; magics are left out."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            plain = re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.M)
            yield number, cell, ast.parse(plain)


def visible_code(notebook) -> Iterator[tuple[int, object, ast.Module]]:
    for number, cell, tree in code_cells(notebook):
        if not tags(cell) & FOLDED:
            yield number, cell, tree


def texts_of(notebook) -> Iterator[tuple[int, str]]:
    """Number and prose of each cell of Markdown, without code and display mathematics."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            text = re.sub(r"^(`{3,}|~{3,}).*?^\1\s*$", "", cell.source, flags=re.M | re.S)
            yield number, re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)


# What a cell shows.


def printed(notebook) -> Faults:
    """Results are shown, not printed; what is folded as a whole may print, and the checks of an assignment."""
    if is_assignment(notebook):
        return []
    found = []
    for number, cell, tree in code_cells(notebook):
        if "hide-cell" in tags(cell):
            continue
        streams = {output.name for output in cell.outputs if output.output_type == "stream"}
        found += [f"cell {number}: writes to {stream}" for stream in sorted(streams)]
        called = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if any(isinstance(node.func, ast.Name) and node.func.id == "print" for node in called):
            found.append(f"cell {number}: prints")
    return found


def name_of_display(node: ast.AST, names: set[str]) -> str | None:
    """``show`` of ``show(...)`` and of ``figures.show(...)``."""
    if not isinstance(node, ast.Call):
        return None
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id in FROM and function.attr in DISPLAYS else None
    return function.id if isinstance(function, ast.Name) and function.id in names else None


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """What runs with the cell: bodies of functions do not, and ``display`` shows what it gets."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "display":
            continue
        yield child
        yield from inside(child)


def display_names(notebook) -> set[str]:
    """The displays, and the notebook's own functions that return one."""
    names = set(DISPLAYS)
    for _, _, tree in code_cells(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
                if any(name_of_display(value, names) for value in returned):
                    names.add(node.name)
    return names


def last_expression(tree: ast.Module) -> ast.expr | None:
    return tree.body[-1].value if tree.body and isinstance(tree.body[-1], ast.Expr) else None


def unseen(notebook) -> Faults:
    """A picture or table that is not the last expression of its cell, or that left no output."""
    found, names = [], display_names(notebook)
    for number, cell, tree in code_cells(notebook):
        last = last_expression(tree)
        for node in inside(tree):
            name = name_of_display(node, names)
            if name and node is not last:
                found.append(f"cell {number}: {name}() is not its last expression, so nothing is shown")
        name = name_of_display(last, names)
        if name and not any({"text/html", "image/svg+xml"} & set(o.get("data", {})) for o in cell.outputs):
            found.append(f"cell {number}: {name}() left no output")
    return found


def unfolded(notebook) -> Faults:
    """A reader has to see the picture or the table, not the call that lays it out."""
    names = display_names(notebook)
    return [
        f"cell {number}: {name}() is not folded, tag it hide-input"
        for number, _, tree in visible_code(notebook)
        if (name := name_of_display(last_expression(tree), names))
    ]


def listed_claims(notebook) -> Faults:
    """Claims stand in sentences, as badges."""
    return [
        f"cell {number}: lists claims"
        for number, _, tree in code_cells(notebook)
        if any(
            isinstance(node, ast.Call) and ast.unparse(node.func) == "claims.show" for node in ast.walk(tree)
        )
    ]


# How a page begins.


def has_picture(cell) -> bool:
    shown = ["".join(output.get("data", {}).get("text/html", "")) for output in cell.outputs]
    return any("<svg" in html or "<figure" in html for html in shown)


def opening(notebook) -> Faults:
    """Question, picture, what the reader gets for which time, imports, versions."""
    if is_assignment(notebook):
        return []
    if len(notebook.cells) < 5:
        return ["the opening has fewer than five cells"]
    title, install, terms, imports, versions = notebook.cells[:5]
    kinds = [cell.cell_type for cell in notebook.cells[:5]]
    if kinds != ["markdown", "code", "markdown", "code", "code"]:
        return [f"the opening is {', '.join(kinds)}; expected markdown, code, markdown, code, code"]
    found = []
    question = re.fullmatch(r"# [^\n:]+: [^\n]+\n\n((?:[^\n]+\n)+)", title.source.strip() + "\n")
    if not question or re.match(r"[#*\-+>|]", question[1]):
        found.append("cell 0: expected '# Chapter: part' and one paragraph, nothing else")
    elif len(re.split(r"(?<=[.?!])\s+(?=[A-Z])", question[1].strip())) > 2:
        found.append("cell 0: more than two sentences")
    if "google.colab" not in install.source or "pip install" not in install.source:
        found.append("cell 1: does not install on Colab")
    if "remove-input" not in tags(install):
        found.append("cell 1: is not tagged remove-input")
    if not has_picture(install):
        found.append("cell 1: shows no picture")
    for words, form in TERMS.items():
        if not re.search(form, terms.source):
            found.append(f"cell 2: lacks {words}")
    if re.search(r"^#", terms.source, re.M):
        found.append("cell 2: has a heading")
    if "hide-input" not in tags(imports) or not re.search(r"^(?:import|from) ", imports.source, re.M):
        found.append("cell 3: expected imports, tagged hide-input")
    if not {"hide-cell", "nbval-ignore-output"} <= tags(versions):
        found.append("cell 4: is not tagged hide-cell and nbval-ignore-output")
    found += [
        f"cell 4: does not print the {word}"
        for word in ("version", "seed", "device")
        if word not in versions.source
    ]
    return found


#: What cell 2 says, and how.
TERMS = {
    "what the reader will be able to do": r"(?i)you will be able to\**\s*\n+[-*] ",
    "**Time:** with reading": r"\*\*Time:\*\* reading \d+ minutes",
    "the short path": r"\*\*Short path:\*\* .*?\d+ minutes",
    "**Needs:**": r"\*\*Needs:\*\* \w",
    "the link to Colab": r"\*\*Run it:\*\* .*\(https://colab\.research\.google\.com/",
    "the link to Binder": r"\*\*Run it:\*\* .*\(https://mybinder\.org/",
}


def exercise_minutes(notebook) -> Faults:
    """The minutes that the opening states are the sum of those at the exercises."""
    prose = "\n".join(text for _, text in texts_of(notebook))
    parts = [int(minutes) for minutes in EXERCISE.findall(prose)]
    stated = re.search(r"\*\*Time:\*\*[^*]*?exercises (\d+) minutes", prose)
    if is_assignment(notebook) or (not parts and not stated):
        return []
    if not stated:
        return [f"the opening states no minutes of the exercises; they have {sum(parts)}"]
    return (
        [] if int(stated[1]) == sum(parts) else [f"exercises {stated[1]} minutes, their sum is {sum(parts)}"]
    )


# How text and code are set.


def stray_punctuation(notebook) -> Faults:
    """A heading or an item that begins with punctuation, or a space between mathematics and its comma."""
    found = []
    for number, text in texts_of(notebook):
        for line in re.findall(rf"^\s*(?:#{{1,6}}|[-*+]|\d+[.)])\s+[*_]*[{PUNCTUATION}].*$", text, re.M):
            found.append(f"cell {number}: begins with punctuation: {line.strip()[:40]!r}")
        plain = re.sub(r"(`+).*?\1", "", text, flags=re.S).replace(r"\$", "")
        # From the left, so that what stands between two formulas is not taken for one.
        for formula in re.finditer(r"\$([^$]+)\$(\s+[,.;:!?)](?![\w.]))?", plain):
            if formula[2]:
                found.append(f"cell {number}: space between ${formula[1]}$ and {formula[2].strip()!r}")
    return found


def long_lines(notebook) -> Faults:
    return [
        f"cell {number}: a line of {len(line)} characters: {line[:40]!r}"
        for number, cell, _ in visible_code(notebook)
        for line in cell.source.splitlines()
        if len(line) > WIDTH
    ]


def code_share(notebook) -> float:
    """Lines of visible code, as a share of these and of the lines that the words would fill."""
    lines = sum(
        bool(line.strip()) for _, cell, _ in visible_code(notebook) for line in cell.source.splitlines()
    )
    words = sum(len(re.sub(r"<[^>]+>|\]\([^)]*\)", " ", text).split()) for _, text in texts_of(notebook))
    return lines / max(1, lines + words / 10)


def much_code(notebook) -> Faults:
    """The code of kernels and assignments is what they are about."""
    title = notebook.cells[0].source.splitlines()[0] if notebook.cells else ""
    if is_assignment(notebook) or "kernels" in title:
        return []
    share = code_share(notebook)
    return (
        [f"visible code is {share:.0%} of the page, at most {CODE_SHARE:.0%}"] if share > CODE_SHARE else []
    )


RULES: tuple[Callable[..., Faults], ...] = (
    printed,
    unseen,
    unfolded,
    listed_claims,
    opening,
    exercise_minutes,
    stray_punctuation,
    long_lines,
    much_code,
)


def faults(notebook) -> Faults:
    """All that is wrong with a notebook."""
    return [fault for rule in RULES for fault in rule(notebook)]
