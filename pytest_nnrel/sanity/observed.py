"""An encoder as the checks run it: what it does to its input is looked at, not refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.encoders.derived import DerivedEncoder
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.encoders.protocol import Encoder, Floats


class NonFiniteError(EncoderError):
    """Output that holds NaN or infinite values."""


class Observed(DerivedEncoder):
    """An encoder whose changes to its input are kept to look at, not refused.

    Parameters
    ----------
    inner : Encoder
    batch_size : int, optional
        The encoder's own where omitted.
    dtype : dtype
        Of the batches that it is handed.
    """

    def __init__(
        self,
        inner: Encoder,
        *,
        batch_size: int | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__(inner)
        if batch_size is not None:
            self.batch_size = batch_size
        self._dtype = dtype
        self.left_behind: list[npt.NDArray[Any]] = []

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        given = batch.astype(self._dtype)
        with np.errstate(all="ignore"):  # what comes of it is judged, warned about or not
            out = self._inner.forward(given, sample_rate)
        self.left_behind.append(given)
        return out

    def embedding_in(self, out: Any) -> Any:  # noqa: ANN401
        return self._inner.embedding_in(out)

    def _checked(self, out: Any, expected: int, first: int) -> Floats:  # noqa: ANN401
        try:
            return super()._checked(out, expected, first)
        except EncoderError as error:
            if error.rows:  # the only complaint about some rows of an output
                raise NonFiniteError(str(error), error.rows) from error
            raise

    def _check_rounding(self, embeddings: Floats) -> None:
        """Let pass what is as good as equal: that is a finding."""

    def _check_rows(self, batch: Samples, sample_rate: int, encoded: Floats) -> None:
        """Run nothing twice, so that what is left behind is in the windows' order."""
