"""What stands in a notebook: its prose, its functions, its equations' labels, its solutions."""

from __future__ import annotations

import ast
import re

from nbformat import NotebookNode

#: The label of an equation, as a comment of the line of code that computes it.
LABEL = re.compile(r"# \((\d+)\)")


def prose(notebook: NotebookNode) -> str:
    """All Markdown."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def functions(notebook: NotebookNode) -> dict[str, str]:
    """Source of every function that the notebook defines."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.FunctionDef):
                    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                    found[node.name] = "\n".join(cell.source.splitlines()[first - 1 : node.end_lineno])
    return found


def solutions(notebook: NotebookNode) -> list[str]:
    """Code of the exercises' solutions, which ends with what it must satisfy."""
    found = re.findall(r"<summary>Solution</summary>\n+```python\n(.*?)```", prose(notebook), re.S)
    assert all("assert" in code for code in found)
    return found


def equations(notebook: NotebookNode) -> set[str]:
    """Labels of the equations, which are numbered from 1."""
    tags = re.findall(r"\\tag\{(\d+)\}", prose(notebook))
    assert tags == [str(number) for number in range(1, len(tags) + 1)]
    return set(tags)


def labels(source: str) -> list[str]:
    """Labels of equations in code."""
    return LABEL.findall(source)


def equal_labels(equations: set[str], *sources: str) -> bool:
    """Whether sources carry one set of labels, all of them equations of the page."""
    found = [labels(source) for source in sources]
    return (
        bool(found[0])
        and all(sorted(f) == sorted(set(found[0])) for f in found)
        and set(found[0]) <= equations
    )


def assert_equal_labels(equations: set[str], by_torch: str, by_triton: str) -> None:
    """Torch and Triton carry the equations' labels, and a label that is lost is noticed."""
    assert equal_labels(equations, by_torch, by_triton)
    first = labels(by_torch)[0]
    assert not equal_labels(equations, by_torch.replace(f"# ({first})", ""), by_triton)
    assert not equal_labels(equations, by_torch, by_triton.replace(f"# ({first})", ""))
    assert not equal_labels(equations - {first}, by_torch, by_triton)
