"""The same figure for a phone: as wide as one, panels of a row below one another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

#: Inches. Text of 10 points then has 11 pixels in the column of a page that is 360 pixels wide.
WIDTH = 4.1
#: Panels that were lower keep their height when they are stacked.
LOW = 2.4


class Plan(NamedTuple):
    """What a figure says about its narrow form; without a size, it follows from the wide one."""

    size: tuple[float, float] | None = None
    stack: bool = True


#: Set by ``new_figure``; other figures have the plan of a figure that says nothing.
_PLANS: WeakKeyDictionary[Figure, Plan] = WeakKeyDictionary()
#: What an artist is marked with that one of the two forms lacks.
_WIDE, _NARROW = "wide-only", "narrow-only"


def set_plan(figure: Figure, plan: Plan) -> None:
    """Say how a figure is laid out on a phone."""
    _PLANS[figure] = plan


def wide_only(*artists: Artist) -> None:
    """Leave artists out of the narrow form."""
    for artist in artists:
        artist.set_gid(_WIDE)


def narrow_only(*artists: Artist) -> None:
    """Leave artists out of the wide form."""
    for artist in artists:
        artist.set_gid(_NARROW)
        artist.set_visible(False)


def needs_narrow(figure: Figure) -> bool:
    """Whether the figure is too wide for a phone as it is."""
    return figure.get_figwidth() > WIDTH or (figure in _PLANS and _PLANS[figure].size is not None)


@contextmanager
def narrowed(figure: Figure) -> Iterator[Figure]:
    """The figure laid out for a phone; afterwards it is as it was.

    Panels in one row are stacked, unless the figure was made with ``narrow_stack=False``: each gets back the
    labels that sharing an axis took. Legends beside the axes go above them.

    Examples
    --------
    >>> from tokenlab.figures import new_figure
    >>> figure, _ = new_figure(6.4, 2.0, ncols=2)
    >>> with narrowed(figure):
    ...     print(figure.get_size_inches(), [axes.get_subplotspec().rowspan.start for axes in figure.axes])
    [4.1 4. ] [0, 1]
    >>> figure.get_size_inches()
    array([6.4, 2. ])
    """
    plan = _PLANS.get(figure, Plan())
    with ExitStack() as undo:
        width, height = figure.get_size_inches()
        undo.callback(figure.set_size_inches, width, height)
        for axes in figure.axes:
            undo.callback(_put_back, axes, axes.get_position(True), axes.get_position(), axes.get_in_layout())
        row = _row(figure) if plan.stack else []
        if row:
            _stack(figure, row, undo)
            height = len(row) * (height if height < LOW else max(LOW, 0.8 * height))
        height += sum(_lift(legend, undo) for legend in figure.legends)
        for artist in figure.findobj(lambda artist: artist.get_gid() in (_WIDE, _NARROW)):
            undo.callback(artist.set_visible, artist.get_visible())
            artist.set_visible(artist.get_gid() == _NARROW)
        figure.set_size_inches(*(plan.size or (WIDTH, height)))
        yield figure


def _row(figure: Figure) -> list[list[Axes]]:
    """The panels of a figure that is one row of them, from the left; twins share a panel."""
    placed = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    specs = [axes.get_subplotspec() for axes in placed]
    grids = {spec.get_gridspec() for spec in specs}
    if len(grids) != 1 or any(grid.nrows != 1 or grid.ncols < 2 for grid in grids):
        return []
    if any(len(spec.colspan) != 1 for spec in specs):
        return []
    columns: dict[int, list[Axes]] = {}
    for axes, spec in zip(placed, specs, strict=True):
        columns.setdefault(spec.colspan.start, []).append(axes)
    return [columns[column] for column in sorted(columns)] if len(columns) > 1 else []


def _stack(figure: Figure, row: list[list[Axes]], undo: ExitStack) -> None:
    from matplotlib.gridspec import GridSpec

    grid = GridSpec(len(row), 1, figure=figure)
    first = row[0][0]
    for index, panel in enumerate(row):
        for axes in panel:
            undo.callback(axes.set_subplotspec, axes.get_subplotspec())
            axes.set_subplotspec(grid[index, 0])
            if index and axes.get_shared_y_axes().joined(axes, first):
                _restore_labels(axes, first, undo)


def _restore_labels(axes: Axes, first: Axes, undo: ExitStack) -> None:
    """Give back what ``sharey`` hides beside the first panel."""
    has = [each.yaxis.get_tick_params("major").get("labelleft", True) for each in (first, axes)]
    if has == [True, False]:
        axes.tick_params(axis="y", which="both", labelleft=True)
        undo.callback(axes.tick_params, axis="y", which="both", labelleft=False)
    if not axes.get_ylabel() and first.get_ylabel():
        undo.callback(axes.set_ylabel, "")
        axes.set_ylabel(first.get_ylabel())


def _lift(legend: Legend, undo: ExitStack) -> float:
    """Move a legend that stands beside the axes above them; gives the inches that it takes there."""
    side = legend._outside_loc
    if side not in ("left", "right"):
        return 0.0
    # Undone in the other order: setting the place forgets that it is outside.
    undo.callback(setattr, legend, "_outside_loc", side)
    undo.callback(legend.set_loc, legend._get_loc())
    legend.set_loc("outside upper center")
    return 0.2 * len(legend.get_texts())


def _put_back(axes: Axes, original, active, in_layout: bool) -> None:
    axes.set_position(original, which="original")
    axes.set_position(active, which="active")
    axes.set_in_layout(in_layout)
