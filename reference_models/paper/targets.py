"""The numbers that the paper reports, each with its place.

Kim, Urbano, Liem, Hanjalic (2019): Are Nearby Neighbors Relatives? Testing Deep Music Embeddings.
Frontiers in Applied Mathematics and Statistics 5:53, doi 10.3389/fams.2019.00053.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from reference_models.task import tasks


class Variant(NamedTuple):
    """What a model of the paper is fitted to: a measure, with the distances it compares.

    Attributes
    ----------
    measure : {"within", "accuracy", "rho", "performance"}
    audio_distance, latent_distance : str
        As in `results.Consistency`; empty where the measure has none.
    """

    measure: str
    audio_distance: str = ""
    latent_distance: str = ""

    def __str__(self) -> str:
        symbol = SYMBOLS.get(self.measure)
        distances = " x ".join(NAMES[d] for d in (self.audio_distance, self.latent_distance) if d)
        return f"{symbol}, {distances}" if symbol else "Standardised performance"


SYMBOLS = {"within": "C_W", "accuracy": "C_acc", "rho": "C_rho"}
#: How distances, encoders and tasks are written for readers.
NAMES = {
    "dtw": "DTW",
    "simple": "SiMPle",
    "euclidean": "Euclidean",
    "cosine": "cosine",
    **{name: name.upper() for name in ("mfcc", "vgg")},
    **{name: task.label for name, task in tasks().items()},
}

PERFORMANCE = Variant("performance")
WITHIN_EUCLIDEAN = Variant("within", "", "euclidean")
WITHIN_COSINE = Variant("within", "", "cosine")
ACCURACY_SIMPLE_COSINE = Variant("accuracy", "simple", "cosine")
RHO_DTW_EUCLIDEAN = Variant("rho", "dtw", "euclidean")


@dataclass(frozen=True)
class Mean:
    """An estimated marginal mean of an encoder.

    Attributes
    ----------
    variant : Variant
    encoder : str
        One of `results.ENCODERS`; of performances ``"vgg"`` or ``"mfcc"``.
    value : float
    error : float or None
        Standard error; None where the paper gives none.
    place : str
    """

    variant: Variant
    encoder: str
    value: float
    error: float | None
    place: str


@dataclass(frozen=True)
class FTest:
    """An F test of the paper's analyses of variance.

    Attributes
    ----------
    variant : Variant
    term : str
        As in `gam.Effect`. What the paper calls task where it compares consistencies, is the
        encoder that was trained for it.
    f : float
    df, df_error : int
    place : str
    """

    variant: Variant
    term: str
    f: float
    df: int
    df_error: int
    place: str


@dataclass(frozen=True)
class Fit:
    """The share of the variance that a model of the paper explains."""

    variant: Variant
    r_squared: float
    place: str


_PERFORMANCE = "section 5.1, Fig. 5"
_WITHIN = "section 5.2, Fig. 8"
_ACCURACY = "section 5.3.1, Fig. 11"
_RHO = "section 5.3.2, Fig. 11"

MEANS = (
    Mean(PERFORMANCE, "vgg", 0.84, 0.008, _PERFORMANCE),
    Mean(PERFORMANCE, "mfcc", -0.52, 0.009, _PERFORMANCE),
    Mean(WITHIN_EUCLIDEAN, "mfcc", 0.741, 0.014, _WITHIN),
    Mean(WITHIN_EUCLIDEAN, "at", 0.671, 0.007, _WITHIN),
    Mean(WITHIN_EUCLIDEAN, "ir", 0.539, 0.008, _WITHIN),
    Mean(WITHIN_EUCLIDEAN, "vs", 0.331, 0.007, _WITHIN),
    Mean(WITHIN_EUCLIDEAN, "ae", 0.170, 0.006, _WITHIN),
    Mean(ACCURACY_SIMPLE_COSINE, "mfcc", 0.796, 0.015, _ACCURACY),
    # "VGG-like alternatives, which range between 0.731 and 0.273", followed by their order.
    Mean(ACCURACY_SIMPLE_COSINE, "at", 0.731, None, _ACCURACY),
    Mean(ACCURACY_SIMPLE_COSINE, "ae", 0.273, None, _ACCURACY),
    Mean(RHO_DTW_EUCLIDEAN, "mfcc", 0.881, 0.004, _RHO),
    Mean(RHO_DTW_EUCLIDEAN, "at", 0.080, 0.003, _RHO),
    Mean(RHO_DTW_EUCLIDEAN, "ir", 0.184, 0.003, _RHO),
    Mean(RHO_DTW_EUCLIDEAN, "vs", 0.181, 0.002, _RHO),
    Mean(RHO_DTW_EUCLIDEAN, "ae", 0.209, 0.005, _RHO),
)

TESTS = (
    FTest(PERFORMANCE, "encoder", 12898, 1, 3522, "section 5.1"),
    FTest(PERFORMANCE, "task:transformation", 466, 12, 3522, "section 5.1"),
    FTest(PERFORMANCE, "task:encoder", 210, 3, 3522, "section 5.1"),
    FTest(WITHIN_EUCLIDEAN, "transformation", 1087, 4, 1793, "section 5.2"),
    FTest(WITHIN_EUCLIDEAN, "encoder", 1066, 4, 1793, "section 5.2"),
    FTest(WITHIN_COSINE, "encoder", 1263, 4, 1794, "section 5.2"),
    FTest(WITHIN_COSINE, "transformation", 913, 4, 1794, "section 5.2"),
    FTest(ACCURACY_SIMPLE_COSINE, "encoder", 440, 4, 1772, "section 5.3.1"),
    FTest(ACCURACY_SIMPLE_COSINE, "transformation", 285, 4, 1772, "section 5.3.1"),
    FTest(RHO_DTW_EUCLIDEAN, "encoder", 6549, 4, 1877, "section 5.3.2"),
)

FITS = (
    Fit(PERFORMANCE, 0.98, "section 5.1"),
    Fit(WITHIN_EUCLIDEAN, 0.98, "section 5.2"),
    Fit(WITHIN_COSINE, 0.981, "section 5.2"),
    Fit(ACCURACY_SIMPLE_COSINE, 0.96, "section 5.3.1"),
    Fit(RHO_DTW_EUCLIDEAN, 0.96, "section 5.3.2"),
)
