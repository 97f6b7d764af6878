"""From a failed Hypothesis test to the ``@example`` line that keeps its failure.

Hypothesis writes the arguments of a failing call into the notes of its exception. Standard library
only.
"""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: An argument of the call, as Hypothesis prints it: each begins a line, indented once.
_ARGUMENT = re.compile(r"^    (\w+)=", re.MULTILINE)


def example_lines(error: BaseException, test: Callable[..., Any]) -> list[str]:
    """Return the lines that make a failed Hypothesis test fail again at once.

    Parameters
    ----------
    error : BaseException
        What the test raised; of a group, each failure has a line.
    test : callable
        The test, under `hypothesis.given`.

    Returns
    -------
    list of str
        Such as ``@example(transform=PinkNoise(snr_db=40.5))``: what was drawn, without the
        fixtures and parameters. None for a failure of which an argument is not printed as Python.
    """
    inner = test.hypothesis.inner_test  # type: ignore[attr-defined]  # Hypothesis's own
    supplied = inspect.signature(test).parameters
    drawn = [name for name in inspect.signature(inner).parameters if name not in supplied]
    lines = []
    for failure in _failures(error):
        for note in getattr(failure, "__notes__", ()):
            # Falsifying example, Failing test case: wordings change, the call does not.
            head, _, arguments = note.partition("(\n")
            if head.endswith(f": {inner.__name__}"):
                lines += _lines_of(arguments.removesuffix(")"), drawn)
    return list(dict.fromkeys(lines))


def final_verdicts(
    verdicts: list[dict[str, Any]], error: BaseException
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Part what a failed Hypothesis test ended at from what it failed at on the way there.

    Parameters
    ----------
    verdicts : list of dict
        In the order in which they were given.
    error : BaseException
        What the test raised in the end.

    Returns
    -------
    kept, passed_over : list of dict
        Verdicts that do not hold are passed over, but for the last one with the message of each
        failure. All are kept where no failure is a verdict's.
    """
    failing = [verdict for verdict in verdicts if verdict["outcome"] != "holds"]
    last = {verdict["message"]: verdict for verdict in failing}
    ends = [last[str(failure)] for failure in _failures(error) if str(failure) in last]
    if not ends:
        return verdicts, []
    passed_over = [verdict for verdict in failing if not _is_among(verdict, ends)]
    return [verdict for verdict in verdicts if not _is_among(verdict, passed_over)], passed_over


def _is_among(verdict: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    # By identity: what was tried twice gave equal verdicts.
    return any(verdict is other for other in others)


def _failures(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and, of a group, those in it."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _failures(part)


def _lines_of(arguments: str, drawn: list[str]) -> list[str]:
    """Return the line for the arguments of a call, or none."""
    found = list(_ARGUMENT.finditer(arguments))
    ends = [match.start() for match in found[1:]] + [len(arguments)]
    values = {}
    for match, end in zip(found, ends):
        # Each by itself, as those of fixtures are rarely Python: <my_model.MyEncoder object at ...>
        values[match[1]] = _expression(match[1], arguments[match.start() : end])
    wanted = [values.get(name) for name in drawn]
    if not drawn or None in wanted:
        return []
    return [f"@example({', '.join(f'{name}={value}' for name, value in zip(drawn, wanted))})"]


def _expression(name: str, argument: str) -> str | None:
    """Return the value of a printed argument without its comments; None if it is no Python."""
    try:
        call = ast.parse(f"call(\n{argument}\n)", mode="eval").body
    except (SyntaxError, ValueError):  # the latter for null characters
        return None
    if not isinstance(call, ast.Call) or call.args or [k.arg for k in call.keywords] != [name]:
        return None
    value = call.keywords[0].value
    # Of data(...), or an array too long to print, the dots stand for what was left out.
    if any(isinstance(node, ast.Constant) and node.value is ... for node in ast.walk(value)):
        return None
    return ast.unparse(value)
