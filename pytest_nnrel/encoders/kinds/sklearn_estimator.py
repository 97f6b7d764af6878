"""Estimators of scikit-learn, and pipelines of them."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

from pytest_nnrel.encoders.calls import is_of
from pytest_nnrel.encoders.kinds.function import CallableEncoder
from pytest_nnrel.encoders.lengths import check_samples, window_of
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from typing import Self

    from pytest_nnrel.corpus.audio import Samples

TRANSFORM = "transform"


class SklearnEncoder(CallableEncoder):
    """A fitted estimator or pipeline of scikit-learn, run by ``transform`` or the method named.

    It gets windows as rows of numbers. Where it was fitted to one number of them, and its rate is
    known, its window follows. Its fingerprint is of what it has learnt and of the code it runs.
    """

    takes = "a fitted estimator or pipeline of scikit-learn, or a method of one"
    order = 60
    looked_into = True

    def __init__(self, obj: Any, **options: Any) -> None:  # noqa: ANN401
        self._samples = getattr(obj, "n_features_in_", None)
        super().__init__(obj, **window_of(self._samples, options))

    @classmethod
    def adapts(cls, obj: Any, method: str | None) -> bool:  # noqa: ANN401
        return is_of(getattr(obj, "__self__", obj), "sklearn", "BaseEstimator")

    @classmethod
    def of(
        cls,
        obj: Any,  # noqa: ANN401
        *,
        method: str | None,
        rate_asked: bool,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        if isinstance(obj, MethodType):
            obj, method = obj.__self__, obj.__name__
        if method is None and not hasattr(obj, TRANSFORM):
            raise EncoderError(
                f"encoder {options['name']!r}: {type(obj).__name__} has no transform; of a pipeline"
                " that ends in a classifier pass what is before it, as_encoder(pipeline[:-1]), or"
                ' name a method that returns floats, method="predict_proba"'
            )
        return super().of(obj, method=method or TRANSFORM, rate_asked=rate_asked, **options)

    def forward(self, batch: Samples, sample_rate: int) -> Any:  # noqa: ANN401
        check_samples(self, self._samples, batch, sample_rate)
        out = super().forward(batch, sample_rate)
        return out.toarray() if hasattr(out, "toarray") else out  # sparse, as of one-hot codes
