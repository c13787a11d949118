"""A plugin for pytest: a failed assert on a report shows the whole table.

pytest cuts the text of an object to 240 characters. ``pip install npnet`` registers this module, so
``assert npnet.compare(ours, reference)`` and ``assert problem.whole().judge(ours)`` need nothing
else in a test suite. ``pytest -p no:npnet`` switches it off.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from npnet.checks.report import Report


def pytest_runtest_makereport(item: object, call: Any) -> None:
    """Add the tables of failed comparisons to the message of the assert that found them."""
    error = call.excinfo.value if call.excinfo else None
    if not isinstance(error, AssertionError) or len(error.args) > 1:
        return
    message = str(error)
    for report in _reports(call.excinfo.tb):
        # If the assert was about the report, the message begins with its shortened text.
        if repr(report).partition("\n")[0][:60] in message and str(report) not in message:
            message += f"\n{report}"
    error.args = (message,)


def _reports(traceback: TracebackType | None) -> Iterator[Report]:
    """The failed reports of the function where the error was raised, each once."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    seen: list[Report] = []
    # pytest keeps the parts of an asserted expression in variables of the function.
    for value in traceback.tb_frame.f_locals.values() if traceback else ():
        if isinstance(value, Report) and not value.passed and value not in seen:
            seen.append(value)
            yield value
