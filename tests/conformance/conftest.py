"""Counts what was asked of us by the tests of others, and prints it at the end."""

from __future__ import annotations

from collections import Counter

import pytest

_counts: dict[str, Counter[str]] = {}


@pytest.fixture
def tally():
    """tally(suite, outcome, n=1): n more cases."""

    def count(suite: str, outcome: str, n: int = 1) -> None:
        _counts.setdefault(suite, Counter())[outcome] += n

    return count


def pytest_terminal_summary(terminalreporter):
    if not _counts:
        return
    terminalreporter.section("conformance")
    for suite, outcomes in sorted(_counts.items()):
        told = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items(), reverse=True))
        terminalreporter.write_line(f"{suite}: {told}")
