"""Test whether an audio encoder keeps relatives near.

Every public name is imported at first use, so that installing the plugin costs an unrelated test
run nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_HOMES = {
    "pytest_nnrel.assertions": (
        "assert_between_consistency",
        "assert_relative_nearest",
        "assert_within_consistency",
    ),
    "pytest_nnrel.corpus": ("Clip", "Corpus"),
    "pytest_nnrel.distances": (
        "Distance",
        "audio_features",
        "pairwise_distances",
        "register_distance",
    ),
    "pytest_nnrel.encoders": (
        "Adapter",
        "Encoder",
        "EncoderLike",
        "MFCCEncoder",
        "as_encoder",
        "export_windows",
        "wav_files",
    ),
    "pytest_nnrel.errors": (
        "BaselineError",
        "CacheWarning",
        "CorpusError",
        "CorpusWarning",
        "FewClipsWarning",
        "DistanceError",
        "EmbeddingSizeError",
        "GradientError",
        "EncoderError",
        "EngineError",
        "FamilyError",
        "HandoverError",
        "MagnitudeError",
        "NNRelError",
        "NNRelWarning",
        "ResultsError",
        "SanityCheckError",
        "SettingError",
        "StorageError",
        "TooFewClipsError",
        "TrainingError",
        "TransformError",
        "UndefinedMeasureError",
        "WorkerWarning",
    ),
    "pytest_nnrel.families": ("check_family",),
    "pytest_nnrel.interchange": (
        "Interchangeability",
        "assert_interchangeable",
        "interchangeability",
    ),
    "pytest_nnrel.measures": (
        "audio_consistency",
        "audit_corpus",
        "between_consistency",
        "transformed_clip",
        "within_consistency",
    ),
    "pytest_nnrel.monotonicity": ("assert_monotone",),
    "pytest_nnrel.measurement": ("Measurement",),
    "pytest_nnrel.profiles": ("FamilyProfile", "Profile", "assert_profile", "profile"),
    "pytest_nnrel.sanity": (
        "EncoderUnderTest",
        "Finding",
        "SanityCheck",
        "SanityReport",
        "Symptom",
        "assert_encoder_sane",
        "check_encoder",
        "sanity_checks",
    ),
    "pytest_nnrel.response": (
        "assert_equivariant",
        "assert_sensitive",
        "equivariance",
        "sensitivity",
    ),
    "pytest_nnrel.breaks": ("BreakingMagnitude",),
    "pytest_nnrel.search": (
        "assert_unbroken_until",
        "breaking_magnitude",
        "noticed_magnitude",
    ),
    "pytest_nnrel.statistics.trainings": ("TrainingComparison", "compare_trainings"),
    "pytest_nnrel.transforms": (
        "Adversarial",
        "MP3",
        "Chain",
        "EnvironmentalNoise",
        "FunctionTransform",
        "Identity",
        "PinkNoise",
        "PitchShift",
        "TempoShift",
        "Transform",
        "TransformLike",
        "as_transform",
        "family",
        "field_grid",
        "imperceptible",
        "paper_grid",
        "quick_grid",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

#: Its modules are looked for when a class is asked for that is not above, not named here.
_FIELD = "pytest_nnrel.transforms.field"


def _public_names() -> list[str]:
    field = importlib.import_module(_FIELD)
    return sorted([*_HOME_OF, *field.__all__, "__version__", "strategies"])


if not TYPE_CHECKING:  # a name that is none is told by type checkers, too

    def __getattr__(name: str) -> object:
        if name == "strategies":
            return importlib.import_module("pytest_nnrel.strategies")
        if name == "__all__":
            return _public_names()
        if name in _HOME_OF:
            return getattr(importlib.import_module(_HOME_OF[name]), name)
        if name[:1].isupper() and name in (field := importlib.import_module(_FIELD)).__all__:
            return getattr(field, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return _public_names()


if TYPE_CHECKING:
    from pytest_nnrel import strategies as strategies
    from pytest_nnrel.assertions import (
        assert_between_consistency as assert_between_consistency,
    )
    from pytest_nnrel.assertions import assert_relative_nearest as assert_relative_nearest
    from pytest_nnrel.assertions import assert_within_consistency as assert_within_consistency
    from pytest_nnrel.breaks import BreakingMagnitude as BreakingMagnitude
    from pytest_nnrel.corpus import Clip as Clip
    from pytest_nnrel.corpus import Corpus as Corpus
    from pytest_nnrel.distances import Distance as Distance
    from pytest_nnrel.distances import audio_features as audio_features
    from pytest_nnrel.distances import pairwise_distances as pairwise_distances
    from pytest_nnrel.distances import register_distance as register_distance
    from pytest_nnrel.encoders import Adapter as Adapter
    from pytest_nnrel.encoders import Encoder as Encoder
    from pytest_nnrel.encoders import EncoderLike as EncoderLike
    from pytest_nnrel.encoders import MFCCEncoder as MFCCEncoder
    from pytest_nnrel.encoders import as_encoder as as_encoder
    from pytest_nnrel.encoders import export_windows as export_windows
    from pytest_nnrel.encoders import wav_files as wav_files
    from pytest_nnrel.errors import BaselineError as BaselineError
    from pytest_nnrel.errors import CacheWarning as CacheWarning
    from pytest_nnrel.errors import CorpusError as CorpusError
    from pytest_nnrel.errors import CorpusWarning as CorpusWarning
    from pytest_nnrel.errors import DistanceError as DistanceError
    from pytest_nnrel.errors import EmbeddingSizeError as EmbeddingSizeError
    from pytest_nnrel.errors import EncoderError as EncoderError
    from pytest_nnrel.errors import EngineError as EngineError
    from pytest_nnrel.errors import FamilyError as FamilyError
    from pytest_nnrel.errors import FewClipsWarning as FewClipsWarning
    from pytest_nnrel.errors import GradientError as GradientError
    from pytest_nnrel.errors import HandoverError as HandoverError
    from pytest_nnrel.errors import MagnitudeError as MagnitudeError
    from pytest_nnrel.errors import NNRelError as NNRelError
    from pytest_nnrel.errors import NNRelWarning as NNRelWarning
    from pytest_nnrel.errors import ResultsError as ResultsError
    from pytest_nnrel.errors import SanityCheckError as SanityCheckError
    from pytest_nnrel.errors import SettingError as SettingError
    from pytest_nnrel.errors import StorageError as StorageError
    from pytest_nnrel.errors import TooFewClipsError as TooFewClipsError
    from pytest_nnrel.errors import TrainingError as TrainingError
    from pytest_nnrel.errors import TransformError as TransformError
    from pytest_nnrel.errors import UndefinedMeasureError as UndefinedMeasureError
    from pytest_nnrel.errors import WorkerWarning as WorkerWarning
    from pytest_nnrel.families import check_family as check_family
    from pytest_nnrel.interchange import Interchangeability as Interchangeability
    from pytest_nnrel.interchange import assert_interchangeable as assert_interchangeable
    from pytest_nnrel.interchange import interchangeability as interchangeability
    from pytest_nnrel.measurement import Measurement as Measurement
    from pytest_nnrel.measures import audio_consistency as audio_consistency
    from pytest_nnrel.measures import audit_corpus as audit_corpus
    from pytest_nnrel.measures import between_consistency as between_consistency
    from pytest_nnrel.measures import transformed_clip as transformed_clip
    from pytest_nnrel.measures import within_consistency as within_consistency
    from pytest_nnrel.monotonicity import assert_monotone as assert_monotone
    from pytest_nnrel.profiles import FamilyProfile as FamilyProfile
    from pytest_nnrel.profiles import Profile as Profile
    from pytest_nnrel.profiles import assert_profile as assert_profile
    from pytest_nnrel.profiles import profile as profile
    from pytest_nnrel.response import assert_equivariant as assert_equivariant
    from pytest_nnrel.response import assert_sensitive as assert_sensitive
    from pytest_nnrel.response import equivariance as equivariance
    from pytest_nnrel.response import sensitivity as sensitivity
    from pytest_nnrel.sanity import EncoderUnderTest as EncoderUnderTest
    from pytest_nnrel.sanity import Finding as Finding
    from pytest_nnrel.sanity import SanityCheck as SanityCheck
    from pytest_nnrel.sanity import SanityReport as SanityReport
    from pytest_nnrel.sanity import Symptom as Symptom
    from pytest_nnrel.sanity import assert_encoder_sane as assert_encoder_sane
    from pytest_nnrel.sanity import check_encoder as check_encoder
    from pytest_nnrel.sanity import sanity_checks as sanity_checks
    from pytest_nnrel.search import assert_unbroken_until as assert_unbroken_until
    from pytest_nnrel.search import breaking_magnitude as breaking_magnitude
    from pytest_nnrel.search import noticed_magnitude as noticed_magnitude
    from pytest_nnrel.statistics.trainings import TrainingComparison as TrainingComparison
    from pytest_nnrel.statistics.trainings import compare_trainings as compare_trainings
    from pytest_nnrel.transforms import MP3 as MP3
    from pytest_nnrel.transforms import Adversarial as Adversarial
    from pytest_nnrel.transforms import Chain as Chain
    from pytest_nnrel.transforms import EnvironmentalNoise as EnvironmentalNoise
    from pytest_nnrel.transforms import FunctionTransform as FunctionTransform
    from pytest_nnrel.transforms import Identity as Identity
    from pytest_nnrel.transforms import PinkNoise as PinkNoise
    from pytest_nnrel.transforms import PitchShift as PitchShift
    from pytest_nnrel.transforms import TempoShift as TempoShift
    from pytest_nnrel.transforms import Transform as Transform
    from pytest_nnrel.transforms import TransformLike as TransformLike
    from pytest_nnrel.transforms import as_transform as as_transform
    from pytest_nnrel.transforms import family as family
    from pytest_nnrel.transforms import field_grid as field_grid
    from pytest_nnrel.transforms import imperceptible as imperceptible
    from pytest_nnrel.transforms import paper_grid as paper_grid
    from pytest_nnrel.transforms import quick_grid as quick_grid
    from pytest_nnrel.transforms.field import *  # noqa: F403  # what there is
