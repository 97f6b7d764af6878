"""Exceptions and warnings: each names the input, what was expected and what to do."""

from __future__ import annotations


class NNRelError(Exception):
    """Base of every exception that this package raises on purpose."""


class CorpusError(NNRelError, ValueError):
    """Audio that no verdict can rest on: missing, unreadable, silent, too short, duplicated."""


class TooFewClipsError(CorpusError):
    """A corpus with fewer than two clips: there is no other original to be nearer to."""


class MagnitudeError(NNRelError, ValueError):
    """A magnitude outside the bounds of its transformation family."""


class TransformError(NNRelError, RuntimeError):
    """A transformation whose output is not what its definition promises."""


class EngineError(TransformError):
    """A transformation engine that is not installed or does not work here."""


class FamilyError(TransformError):
    """A family of transformations that is declared wrongly, or does not do what it declares."""


class EncoderError(NNRelError, ValueError):
    """An encoder whose output is no embedding matrix.

    Attributes
    ----------
    rows : tuple of int
        Rows of the batch that are at fault, empty where the whole output is.
    """

    def __init__(self, message: str, rows: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.rows = rows


class GradientError(EncoderError):
    """An encoder through which no gradients flow, where they are needed: for an attack on it."""


class EmbeddingSizeError(EncoderError):
    """Embeddings of two encoders that have different lengths, and cannot be compared."""


class SanityCheckError(NNRelError, TypeError):
    """A sanity check that is declared wrongly, or does not return what it must."""


class DistanceError(NNRelError, ValueError):
    """Sequences or vectors that a distance cannot compare, or a distance that broke its promise.

    Attributes
    ----------
    row : int or None
        Position of the sequence at fault, where it is one.
    """

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


class UndefinedMeasureError(NNRelError, ArithmeticError):
    """A measure that has no value on this input, such as rho of constant distances."""


class HandoverError(NNRelError, RuntimeError):
    """A worker that does not get what a task is about."""


class StorageError(NNRelError, OSError):
    """A disk without room for what does not fit into memory."""


class BaselineError(NNRelError, ValueError):
    """A baseline that is none, is damaged, or cannot be written."""


class ResultsError(NNRelError, ValueError):
    """A results file that cannot be read as one."""


class SettingError(NNRelError, ValueError):
    """An option, ini key or marker argument with a value that it cannot take."""


class TrainingError(NNRelError, ValueError):
    """What a training hands over that nothing can be learnt from: waveforms, clips, a pool."""


class NNRelWarning(UserWarning):
    """Base of the package's warnings."""


class CacheWarning(NNRelWarning):
    """The cache on disk cannot be used as asked; results are right, later runs are slower."""


class FewClipsWarning(NNRelWarning):
    """Verdicts that hold on so few clips that this shows little."""


class CorpusWarning(NNRelWarning):
    """A corpus that can be measured, but whose figures need care."""


class WorkerWarning(NNRelWarning):
    """Work that stays in this process, though there are workers; results are right."""
