"""Feature extractors of Hugging Face's transformers: what they make of audio, and what they pad."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_nnrel.encoders.calls import is_a
from pytest_nnrel.encoders.rates import number_of
from pytest_nnrel.errors import EncoderError

if TYPE_CHECKING:
    from pytest_nnrel.corpus.audio import Samples

_AST: Final = (
    "transformers.models.audio_spectrogram_transformer"
    ".feature_extraction_audio_spectrogram_transformer"
)
#: Of Kaldi's filter banks, which it computes at their default of 10 ms.
_AST_FRAMES_A_SECOND: Final = 100
_MASKS: Final = ("attention_mask", "padding_mask")
#: Outputs of transformers that hold frames ``[n, frames, d]``, or several of these.
_FRAMES: Final = ("last_hidden_state", "hidden_states", "extract_features", "logits")


@dataclass(frozen=True)
class Features:
    """What an extractor makes of a batch.

    Attributes
    ----------
    inputs : dict
        What the model gets, by name.
    main : str
        The name of that which holds the audio.
    mask : torch.Tensor or None
        Which steps are audio and which padding, ``[n, steps]``; None where it does not say.
    """

    inputs: dict[str, Any]
    main: str
    mask: Any


def extractor_of(obj: Any) -> Any:  # noqa: ANN401
    """Return the feature extractor that an object is, or that a processor or pipeline holds."""
    held = getattr(obj, "feature_extractor", None)
    of_processor = getattr(getattr(obj, "processor", None), "feature_extractor", None)
    for thing in (obj, held, of_processor):
        if is_a(thing, "transformers.feature_extraction_utils", "FeatureExtractionMixin"):
            return thing
    return None


def features_of(extractor: Any, batch: Samples, sample_rate: int) -> Features:  # noqa: ANN401
    """Return what an extractor makes of a batch, by its own settings.

    Parameters
    ----------
    extractor : transformers.FeatureExtractionMixin
    batch : float32[n, samples]
    sample_rate : int
        In Hz; the extractor raises where it is made for another.
    """
    told = "return_attention_mask" in inspect.signature(type(extractor).__call__).parameters
    asked = {"return_attention_mask": True} if told else {}
    inputs = dict(extractor(list(batch), sampling_rate=sample_rate, return_tensors="pt", **asked))
    mask = next((inputs[name] for name in _MASKS if name in inputs), None)
    if told and not extractor.return_attention_mask:  # of models that were trained without
        inputs.pop("attention_mask", None)
    main = next(name for name in (*extractor.model_input_names, *inputs) if name in inputs)
    return Features(inputs, main, mask)


def padded_to(extractor: Any) -> float | None:  # noqa: ANN401
    """Return the seconds that an extractor pads all audio to; None where it pads none.

    Parameters
    ----------
    extractor : transformers.FeatureExtractionMixin
    """
    for name in ("chunk_length", "max_length_s"):  # Whisper's and CLAP's
        seconds = number_of(extractor, name)
        if seconds:
            return float(seconds)
    if is_a(extractor, _AST, "ASTFeatureExtractor"):
        return float(extractor.max_length / _AST_FRAMES_A_SECOND)
    return None


def without_padding(out: Any, mask: Any, name: str) -> Any:  # noqa: ANN401
    """Return a model's output without the frames that stand for padding.

    Parameters
    ----------
    out : object
        Of the model.
    mask : torch.Tensor or None
        As of `Features`.
    name : str
        Of the encoder, for the error.

    Raises
    ------
    EncoderError
        If it is a tensor with three axes, of which none is known to be that of the frames, or
        padding differs from one window to the next.
    """
    held = set() if mask is None else set(mask.sum(1).tolist())
    if not held or held == {mask.shape[1]}:
        return out
    advice = "give it windows that need no padding: as_encoder(..., window_seconds=SECONDS)"
    if len(held) > 1:
        raise EncoderError(
            f"encoder {name!r}: its extractor pads some windows more than others, so that frames"
            f" cannot be pooled alike; {advice}"
        )
    share = held.pop() / mask.shape[1]
    if isinstance(out, Mapping):
        return {key: _cut(value, share) if key in _FRAMES else value for key, value in out.items()}
    if getattr(out, "ndim", 2) == 3:
        raise EncoderError(
            f"encoder {name!r}: its extractor pads windows, of which {share:.0%} is audio, and its"
            f" output {list(out.shape)} does not tell which frames are padding; {advice}"
        )
    return out


def _cut(frames: Any, share: float) -> Any:  # noqa: ANN401
    """Return the first share of frames ``[n, frames, d]``, those that hear nothing but audio."""
    if isinstance(frames, tuple | list):
        return tuple(_cut(each, share) for each in frames)
    if getattr(frames, "ndim", 2) != 3:
        return frames
    return frames[:, : max(1, int(frames.shape[1] * share))]
