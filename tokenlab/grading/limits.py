"""How long a student's code may run, and how much it may print."""

from __future__ import annotations

import contextlib
import io
import signal
import threading
import time
from collections.abc import Iterator


class TimeLimitExceeded(BaseException):
    """The time is up. No ``Exception``, so that ``except Exception`` cannot swallow it."""


def time_limits_work() -> bool:
    """Whether :func:`time_limit` can stop code here: on POSIX, in the main thread."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def time_limit(seconds: float, *, again: float = 0.5) -> Iterator[None]:
    """Raise :class:`TimeLimitExceeded` in the body after ``seconds``; limits may be nested.

    It is raised again every ``again`` seconds (0: once), for code that catches everything. On Windows and
    outside the main thread there is no limit; compiled code is not stopped before it returns.

    Examples
    --------
    >>> try:
    ...     with time_limit(0.05):
    ...         while True:
    ...             pass
    ... except TimeLimitExceeded:
    ...     print("stopped")
    stopped
    """
    if not time_limits_work():
        yield
        return

    def stop(signum, frame) -> None:
        raise TimeLimitExceeded

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, stop)
    outer, interval = signal.setitimer(signal.ITIMER_REAL, seconds, again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if outer:
            left = outer - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 1e-3), interval)


class Cut(io.TextIOBase):
    """A text stream that keeps ``limit`` characters and counts the rest."""

    def __init__(self, limit: int) -> None:
        self.limit, self.written, self.kept = limit, 0, []

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = self.limit - self.written
        if room > 0:
            self.kept.append(text[:room])
        self.written += len(text)
        return len(text)

    def clear(self) -> None:
        self.written, self.kept = 0, []

    @property
    def text(self) -> str:
        """What was kept, and how much was not."""
        kept = "".join(self.kept)
        if self.written <= self.limit:
            return kept
        return f"{kept}\n[cut: {self.written:,} characters were printed, {self.limit:,} are shown]\n"


@contextlib.contextmanager
def captured_output(limit: int = 500) -> Iterator[Cut]:
    """Collect what the body prints, up to ``limit`` characters.

    Examples
    --------
    >>> with captured_output(limit=5) as printed:
    ...     print("a" * 1_000_000)
    >>> print(printed.text.strip())
    aaaaa
    [cut: 1,000,001 characters were printed, 5 are shown]
    """
    printed = Cut(limit)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def guard_cells(seconds: float, characters: int = 20_000) -> None:
    """While a submission is graded: limit the time of later cells, and cut what they print."""
    from IPython import get_ipython

    shell, guard = get_ipython(), contextlib.ExitStack()
    printed = Cut(0)
    # These would end the kernel, and every result with it; the built-in ones end only the cell.
    for name in ("exit", "quit"):
        shell.user_ns.pop(name, None)

    def begin(info) -> None:
        nonlocal printed
        if not info.raw_cell.startswith("from otter"):  # The cell that collects the results.
            printed = guard.enter_context(captured_output(characters))
            guard.enter_context(time_limit(seconds, again=0))

    def end(result) -> None:
        guard.close()
        print(printed.text, end="")
        printed.clear()

    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", end)
