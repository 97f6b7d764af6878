"""What a check of an encoder is; to define one is to have it in the battery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_nnrel.errors import SanityCheckError
from pytest_nnrel.runtime.registry import ClassRegistry

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
    #: what costs much comes late. The package's own are 10, 20 and so on, up to 160.
    order: ClassVar[float] = 1000.0

    def __init_subclass__(cls, **options: Any) -> None:  # noqa: ANN401
        super().__init_subclass__(**options)
        CHECKS.define(cls)

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


CHECKS: ClassRegistry[SanityCheck] = ClassRegistry(
    "a sanity check",
    "sanity checks",
    "pytest_nnrel.checks",
    SanityCheckError,
    texts={
        "name": "what it is chosen by",
        "title": "what it compares",
        "cause": "the usual cause of a symptom",
    },
)


def sanity_checks() -> dict[str, type[SanityCheck]]:
    """Return all checks by name, in the order in which they are made.

    Raises
    ------
    SanityCheckError
        If an installed package declares checks that cannot be loaded.
    """
    return CHECKS.in_order()
