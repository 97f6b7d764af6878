"""Waveforms alone, and padded among longer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.runtime.store import digest
from pytest_nnrel.sanity.check import SanityCheck
from pytest_nnrel.sanity.comparisons import unchanged
from pytest_nnrel.sanity.symptom import Symptom, skip

if TYPE_CHECKING:
    from pytest_nnrel.sanity.under_test import EncoderUnderTest, Matrix

#: Length of the shortest waveform, as a share of the longest.
_SHORTEST = 0.5


class Ragged(SanityCheck):
    """Among longer waveforms, one has the embedding that it has alone but for rounding."""

    name = "ragged"
    title = "alone against padded among longer ones"
    cause = (
        "no attention mask, a mean over padding, normalisation of the padded waveform, or lengths"
        " that are rounded in another way than frames"
    )
    order = 160

    def look(self, tested: EncoderUnderTest) -> Symptom | None:
        encoder = tested.encoder
        if encoder.ragged is None:
            skip("as_encoder was given no ragged=, a function of waveforms of several lengths")
        seed = int(digest("ragged", tested.seed, tested.corpus.fingerprint), 16)
        place = np.random.default_rng(seed).permutation(len(tested.windows))
        shares = _SHORTEST + (1.0 - _SHORTEST) * place / max(1, len(place) - 1)
        lengths = np.maximum(1, np.round(shares * tested.windows.shape[1]).astype(int))
        waveforms = [window[:length] for window, length in zip(tested.windows, lengths)]

        def encoded(at_once: int) -> Matrix:
            parts = [
                encoder.encode_ragged(waveforms[first : first + at_once], tested.rate)
                for first in range(0, len(waveforms), at_once)
            ]
            return np.concatenate(parts).astype(np.float64)

        alone = encoded(1)
        leaks = unchanged(
            tested,
            lambda: encoded(max(2, encoder.batch_size)),
            "padded among waveforms up to twice as long instead of alone",
            reference=alone,
        )
        if leaks is None:
            return None
        random = unchanged(
            tested, lambda: encoded(1), "encoded alone twice by its ragged=", reference=alone
        )
        if random is None:
            return leaks
        return Symptom(
            f"{random.seen}: it is random, as a model is in training mode (model.eval())",
            random.size,
        )
