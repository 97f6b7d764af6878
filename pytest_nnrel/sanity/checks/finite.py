"""NaN and infinite values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.errors import EncoderError
from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.symptom import FaultError, Symptom

if TYPE_CHECKING:
    from pytest_nnrel.sanity.under_test import EncoderUnderTest


class Finite(SanityCheck):
    """Embeddings are finite: of every clip, of silence, and of a window that is silent by half."""

    name = "finite"
    title = "output that is finite, on silence as well"
    cause = (
        "a logarithm of zero, or a division by a level or deviation that is zero in silence:"
        " add a floor"
    )
    order = 10

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        if tested.set_aside:
            return Symptom(
                f"NaN or infinite values for {len(tested.set_aside)} of {len(tested.corpus)} clips,"
                f" {tested.set_aside[0]!r} among them",
                None,
            )
        silent = np.zeros_like(tested.windows[:2])
        silent[1, silent.shape[1] // 2 :] = tested.windows[1, silent.shape[1] // 2 :]
        try:
            tested.encode(silent)
        except FaultError:
            what = "NaN or infinite values for a window that is silent, or half of it"
            return Symptom(what, None)
        except EncoderError as error:
            # NaN that it meets on its way, most often; unless it refuses two windows, or any that
            # are not the corpus's, as a table does.
            tested.encode(np.ascontiguousarray(tested.windows[:2, ::-1]))
            return Symptom(f"refuses a window that is silent, or half of it: {error}", None)
        return None
