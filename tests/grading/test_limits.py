"""Time limits and cut output."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tokenlab.grading.limits import TimeLimitExceeded, captured_output, time_limit, time_limits_work

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")


def test_a_loop_is_stopped():
    with pytest.raises(TimeLimitExceeded), time_limit(0.05):
        while True:
            pass


def test_a_loop_that_catches_exceptions_is_stopped():
    def stubborn():
        while True:
            with contextlib.suppress(Exception):
                time.sleep(10)

    with pytest.raises(TimeLimitExceeded), time_limit(0.05):
        stubborn()


def test_a_loop_that_catches_everything_once_is_stopped():
    caught = []
    with pytest.raises(TimeLimitExceeded), time_limit(0.05, again=0.05):
        try:
            time.sleep(10)
        except BaseException as error:
            caught.append(error)
            time.sleep(10)
    assert len(caught) == 1


def test_code_in_time_is_left_alone():
    with time_limit(0.05):
        pass
    time.sleep(0.1)


def test_limits_nest():
    with pytest.raises(TimeLimitExceeded), time_limit(0.2):
        with pytest.raises(TimeLimitExceeded), time_limit(0.05):
            time.sleep(10)
        started = time.monotonic()
        time.sleep(10)
    assert time.monotonic() - started < 5


def test_the_earlier_handler_is_back():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(1):
        assert signal.getsignal(signal.SIGALRM) is not before
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_no_limit_outside_the_main_thread():
    found = []

    def work():
        with time_limit(0.01):
            time.sleep(0.05)
        found.append(time_limits_work())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False] and time_limits_work()


def test_no_limit_without_timers(monkeypatch):
    monkeypatch.delattr(signal, "setitimer")
    assert not time_limits_work()
    with time_limit(0.01):
        time.sleep(0.05)


@pytest.mark.notebook
def test_guarded_cells_of_a_notebook():
    """An endless cell and a flood end; the cells after them run, and say what they print."""
    sources = (
        "from tokenlab.grading.limits import guard_cells\nguard_cells(0.5, characters=100)",
        "while True:\n    pass",
        "print('x' * 5_000_000)",
        "exit()",
        "import time\ntime.sleep(0.7)",
        "print('still here')",
    )
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=120).execute()
    _, endless, flood, leaving, slow, last = (cell.outputs for cell in notebook.cells)
    assert endless[0].ename == slow[0].ename == "TimeLimitExceeded"
    assert leaving[0].output_type == "error"
    (stream,) = flood
    assert stream.text.splitlines() == ["x" * 100, "[cut: 5,000,001 characters were printed, 100 are shown]"]
    assert last[0].text == "still here\n"


def test_short_output_is_kept_whole():
    with captured_output(limit=10) as printed:
        print("abc")
    assert printed.text == "abc\n"


def test_long_output_is_cut_and_counted():
    with captured_output(limit=10) as printed:
        for _ in range(1_000):
            print("x" * 999)
    assert printed.text.splitlines() == ["x" * 10, "[cut: 1,000,000 characters were printed, 10 are shown]"]
    assert sum(map(len, printed.kept)) == 10
