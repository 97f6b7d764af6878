"""Exceptions of the reference models: each names the input, what was expected and what to do."""

from __future__ import annotations

from pytest_nnrel.errors import NNRelError


class DatasetError(NNRelError, RuntimeError):
    """A dataset that is missing, incomplete, or cannot be built here."""


class CheckpointError(NNRelError, ValueError):
    """A checkpoint that is missing, was changed, or is of something else."""


class ReproductionError(NNRelError, ValueError):
    """Results of a reproduction that are missing, or too few for what is asked of them."""


class TrainingError(NNRelError, ValueError):
    """A training that cannot be done as asked."""


class TaskError(NNRelError, ValueError):
    """A task that there is not, or that declares something wrongly."""
