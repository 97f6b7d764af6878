"""Distances by name: between sequences of MFCC frames (audio space), and between embeddings.

One call takes N queries and M candidates and returns an (N, M) matrix.
"""

from pytest_nnrel.distances import metrics  # to import a distance is to have it
from pytest_nnrel.distances.alignment import SIMPLE_WINDOW
from pytest_nnrel.distances.distance import (
    Distance,
    Execution,
    Metric,
    Space,
    distances,
    register_distance,
    resolve_distance,
)
from pytest_nnrel.distances.mfcc import audio_features
from pytest_nnrel.distances.pairwise import companions, pairwise_distances, pairwise_together

__all__ = [
    "SIMPLE_WINDOW",
    "Distance",
    "Execution",
    "Metric",
    "Space",
    "audio_features",
    "companions",
    "distances",
    "metrics",
    "pairwise_distances",
    "pairwise_together",
    "register_distance",
    "resolve_distance",
]
