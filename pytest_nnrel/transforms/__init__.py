"""Transformations: families, grids and adapters.

Importing this package needs nothing but the standard library.
"""

from pytest_nnrel.transforms import field
from pytest_nnrel.transforms.adapters import Chain, FunctionTransform, as_transform, modules_of
from pytest_nnrel.transforms.adversarial import Adversarial
from pytest_nnrel.transforms.field import *  # noqa: F403  # what there is
from pytest_nnrel.transforms.grids import (
    GRIDS,
    PAPER_FAMILIES,
    conditions,
    field_grid,
    grid,
    imperceptible,
    ladder,
    paper_grid,
    parse_transform,
    quick_grid,
)
from pytest_nnrel.transforms.ladders import even_steps
from pytest_nnrel.transforms.made import family
from pytest_nnrel.transforms.mp3 import MP3
from pytest_nnrel.transforms.noise import EnvironmentalNoise, PinkNoise
from pytest_nnrel.transforms.protocol import Identity, Transform, Transformed, TransformLike
from pytest_nnrel.transforms.registry import families
from pytest_nnrel.transforms.rubberband import PitchShift, TempoShift

__all__ = [
    "GRIDS",
    "MP3",
    "PAPER_FAMILIES",
    "Adversarial",
    "Chain",
    "EnvironmentalNoise",
    "FunctionTransform",
    "Identity",
    "PinkNoise",
    "PitchShift",
    "TempoShift",
    "Transform",
    "TransformLike",
    "Transformed",
    "as_transform",
    "conditions",
    "even_steps",
    "families",
    "family",
    "field_grid",
    "grid",
    "imperceptible",
    "ladder",
    "modules_of",
    "paper_grid",
    "parse_transform",
    "quick_grid",
]
__all__ += field.__all__
