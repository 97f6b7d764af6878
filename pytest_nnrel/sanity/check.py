"""What a check of an encoder is; to define one is to have it in the battery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import SanityCheckError
from pytest_nnrel.runtime.registry import Registry, order_problem

if TYPE_CHECKING:
    from pytest_nnrel.sanity.symptom import Symptom
    from pytest_nnrel.sanity.under_test import EncoderUnderTest


class SanityCheck(ABC):
    """One check of an encoder.

    A subclass declares `name`, `title` and `cause`, and has a `look`. Its docstring is what the
    documentation says of it. To define it is to register it: `assert_encoder_sane` makes it from
    then on.

    Raises
    ------
    SanityCheckError
        When a class is defined that declares something wrongly, or whose name is taken.
    """

    #: What it is chosen by, and called in messages.
    name: ClassVar[str]
    #: What it compares, in a few words.
    title: ClassVar[str]
    #: The usual cause of a symptom: what follows "usually" in the message.
    cause: ClassVar[str]
    #: Place in the battery, the smallest first: what explains other findings comes before them,
    #: what costs much comes late. The package's own are 10, 20 and so on, up to 150.
    order: ClassVar[float] = 1000.0

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401
        super().__init_subclass__(**options)
        if not getattr(cls.look, "__isabstractmethod__", False):  # else shared by checks
            _register(cls)

    @abstractmethod
    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        """Look for a symptom.

        `skip` leaves the check unmade where it does not apply. Input that the encoder refuses, an
        `EncoderError`, does too.

        Parameters
        ----------
        tested : EncoderUnderTest

        Returns
        -------
        Symptom or None
            None where nothing is wrong.
        """


CHECKS: Registry[type[SanityCheck]] = Registry(
    "sanity checks", "pytest_nnrel.checks", SanityCheckError
)


def sanity_checks() -> dict[str, type[SanityCheck]]:
    """Return all checks by name, in the order in which they are made.

    Raises
    ------
    SanityCheckError
        If an installed package declares checks that cannot be loaded.
    """
    # By name within a place, so that the order in which modules are imported does not matter.
    known = sorted(CHECKS.all().items(), key=lambda named: (named[1].order, named[0]))
    return dict(known)


def _register(check: type[SanityCheck]) -> None:
    if problem := _problem_of(check):
        raise SanityCheckError(f"{check.__module__}.{check.__qualname__}: {problem}")
    CHECKS.add(check.name, check)


def _problem_of(check: type[SanityCheck]) -> str:
    for attribute, meaning in (
        ("name", "what it is chosen by"),
        ("title", "what it compares"),
        ("cause", "the usual cause of a symptom"),
    ):
        text = getattr(check, attribute, None)
        if not isinstance(text, str) or not text.strip():
            return f"a sanity check declares {attribute}: {meaning}, a text, not {text!r}"
    if not check.name.isidentifier():
        return f"name must be one word of letters, digits and underscores, not {check.name!r}"
    if problem := order_problem(check.order):
        return problem
    if holder := CHECKS.holder(check.name, check):
        return (
            f"there is a sanity check {check.name!r} in {holder}, and names tell checks apart;"
            " give this one another"
        )
    return ""
