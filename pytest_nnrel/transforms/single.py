"""Single points: transformations of their own kind, without a ladder."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pytest_nnrel.transforms.protocol import Transform

if TYPE_CHECKING:
    import numpy as np

    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.transforms.output import Checks


class SinglePoint(Transform):
    """A transformation of its own kind."""

    identity: ClassVar[float] = float("nan")
    ladder: ClassVar[tuple[float, ...]] = ()
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))

    @property
    def severity(self) -> float:
        return float("nan")

    def length(self, samples: int) -> int | None:
        return None


class Adapter(SinglePoint):
    """What adapters share: latency that is measured and taken out where asked."""

    correct_latency: bool

    @abstractmethod
    def process(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        """Return what it makes of samples, late as it may be."""

    def render(
        self, samples: Samples, sample_rate: int, rng: np.random.Generator
    ) -> Samples | tuple[Samples, Checks]:
        if not self.correct_latency:
            return self.process(samples, sample_rate, rng)
        from pytest_nnrel.transforms.latency import in_time

        latency = self._latency(sample_rate)
        out = in_time(lambda given: self.process(given, sample_rate, rng), samples, latency)
        return out, {"latency": float(latency)}

    def _latency(self, sample_rate: int) -> int:
        """Measure the latency; once, where all is known that it depends on."""
        import numpy as np

        from pytest_nnrel.runtime.store import digest
        from pytest_nnrel.transforms.latency import latency_of

        def probed(probe: Samples, seed: int) -> Samples:
            return self.process(probe, sample_rate, np.random.default_rng(seed))

        recipe = self.recipe()
        if recipe is None:
            return latency_of(probed, sample_rate)
        key = digest(recipe, sample_rate)
        if key not in _LATENCIES:
            _LATENCIES[key] = latency_of(probed, sample_rate)
        return _LATENCIES[key]


#: Latencies in samples, by recipe and sample rate.
_LATENCIES: dict[str, int] = {}
