"""Modules in training mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.symptom import Symptom
from pytest_nnrel.sanity.under_test import ROUNDING

if TYPE_CHECKING:
    from pytest_nnrel.sanity.under_test import EncoderUnderTest


class TrainingMode(SanityCheck):
    """No torch module that is run depends on training mode while it is in it."""

    name = "training_mode"
    title = "dropout or batch normalisation in training mode"
    cause = "a module that was loaded without .eval(), or whose train() or eval() is overridden"
    order = 20

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        modules = list(dict.fromkeys(tested.second_run.training))
        if not modules:
            return None
        kinds = sorted({type(module).__name__ for module in modules})
        seen = f"{len(modules)} modules run in training mode: {', '.join(kinds)}"
        for module in modules:
            module.training = False
        try:
            moved = tested.displacement(tested.windows)
        finally:
            for module in modules:
                module.training = True
        if moved is None:
            return Symptom(seen, None)
        if moved <= ROUNDING:  # their mode is asked for, and changes nothing
            return None
        return Symptom(f"{seen}; evaluated, clips are elsewhere", moved)
