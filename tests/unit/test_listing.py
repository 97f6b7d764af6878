"""Lists in messages: what is named and what is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_nnrel.runtime.listing import a_few, a_few_lines


def test_what_is_beyond_is_counted():
    assert a_few(["a", "b"]) == "a, b"
    assert a_few(["a", "b", "c"], 2) == "a, b and 1 more"
    assert a_few_lines(range(1500), 1) == ["0", "and 1,499 more"]
    assert a_few([]) == ""
    assert a_few_lines([], 3) == []


@given(st.integers(0, 30), st.integers(1, 12))
def test_every_thing_is_named_or_counted(count, most):
    lines = a_few_lines(range(count), most)
    told = [line for line in lines if line.isdigit()]
    beyond = [int(line.split()[1]) for line in lines if line.startswith("and")]
    assert len(told) + sum(beyond) == count
    assert len(told) <= most
    assert all(number > 0 for number in beyond)
