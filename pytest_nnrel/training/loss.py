"""The loss that makes an encoder consistent, to be added to a task's."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_nnrel.encoders.calls import Call
from pytest_nnrel.errors import SettingError, TrainingError
from pytest_nnrel.runtime.scalars import is_one_of, is_real, is_whole
from pytest_nnrel.training.checks import check_embeddings
from pytest_nnrel.training.forms import FORMS
from pytest_nnrel.training.views import TransformedViews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Self

    from torch import Tensor

    from pytest_nnrel.training.forms import Form
    from pytest_nnrel.training.pool import TransformedPool
    from pytest_nnrel.transforms.protocol import TransformLike


class ConsistencyLoss(nn.Module):
    """Brings embeddings of transformed clips near to those of the clips.

    Parameters
    ----------
    transforms : iterable of Transform, or anything that `as_transform` takes; or a grid's name
        What the encoder is to survive, each the gravest of its family that is drawn: severities
        from rung 1 to it are equally likely.
    sample_rate : int
        Of the waveforms, in Hz.
    form : {"stability", "vicreg", "contrastive"} or callable
        How clips and views are compared, see `pytest_nnrel.training.forms`; or a function of
        embeddings of both, ``float32[n, d]``, such as ``partial(contrastive, temperature=0.1)``.
    weight : float
        What the loss is multiplied by.
    stop_gradient : bool
        Whether views alone are moved, towards clips whose embeddings are taken for given.
    teacher : torch.nn.Module, optional
        Gives the embeddings of the clips in place of the encoder: copied, frozen, and evaluated.
    pool : TransformedPool, optional
        Versions of the clips, of families that are not computed batch by batch.
    seed : int
        Of what is drawn.

    Attributes
    ----------
    views : TransformedViews
        ``loss.views(waveforms)`` gives transformed waveforms, for the task's own loss on them.

    Raises
    ------
    SettingError
        For a form that is none, a weight that is no number from 0 on, a teacher that is no module
        or cannot be copied.
    NNRelError
        As `TransformedViews` raises.

    Notes
    -----
    Embeddings are compared in float32 (float64 where they are), in or out of autocast. What is
    drawn goes on where a `state_dict` left it.
    """

    def __init__(
        self,
        transforms: str | Iterable[TransformLike],
        *,
        sample_rate: int,
        form: str | Form = "stability",
        weight: float = 1.0,
        stop_gradient: bool = False,
        teacher: nn.Module | None = None,
        pool: TransformedPool | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.form = _form_of(form)
        if not is_real(weight) or not 0.0 <= weight < float("inf"):
            raise SettingError(f"weight takes a number from 0 on, not {weight!r}")
        if teacher is not None and not isinstance(teacher, nn.Module):
            raise SettingError(
                f"teacher must be a torch.nn.Module, to be copied and frozen, not"
                f" {type(teacher).__name__}"
            )
        self.weight = weight
        self.stop_gradient = stop_gradient
        self.teacher = None
        if teacher is not None:
            self.teacher = _copied(teacher).eval().requires_grad_(False)
        self.views = TransformedViews(transforms, sample_rate=sample_rate, pool=pool, seed=seed)

    def forward(
        self,
        encode: Callable[[Tensor], Tensor],
        waveforms: Tensor,
        *,
        indices: Tensor | Sequence[int] | None = None,
    ) -> Tensor:
        """Return the loss of an encoder on a batch.

        Parameters
        ----------
        encode : torch.nn.Module or callable
            Maps waveforms, ``float[m, samples]``, to embeddings, ``float[m, d]``. It is called
            once, with clips and views in one batch, so that batch normalisation treats both alike;
            with a teacher, of views alone. Attacks evaluate it before that.
        waveforms : float[n, samples]
            At least two clips, full scale at ±1, on the encoder's device.
        indices : int[n], optional
            Which clips of the pool they are; needed where a transformation comes from it.

        Returns
        -------
        float32
            A scalar, times `weight`.

        Raises
        ------
        TrainingError
            If the waveforms are no finite floats of that shape, of another rate than the encoder
            names, too few, or not the clips of the pool.
        EncoderError
            If the embeddings are no finite floats of that shape, do not depend on any weight, or
            are all the same.
        """
        _check_rate(encode, self.views.sample_rate)
        transformed = self.views(waveforms, indices, encode=encode)
        if self.teacher is not None:
            with torch.no_grad():
                clean = self.teacher(waveforms.clone())  # which may be worked on in place
            check_embeddings(clean, len(waveforms), learning=False, of="the teacher")
            return self.compare(clean, encode(transformed))
        both = encode(torch.cat([waveforms, transformed]))
        check_embeddings(both, 2 * len(waveforms), learning=True)
        return self.compare(*both.chunk(2))

    def compare(self, clean: Tensor, transformed: Tensor) -> Tensor:
        """Return the loss of embeddings that are at hand already.

        Parameters
        ----------
        clean : float[n, d]
            Of the clips.
        transformed : float[n, d]
            Of their views, in the same order.

        Returns
        -------
        float32
            A scalar, times `weight`.

        Raises
        ------
        TrainingError
            For a batch of one clip.
        EncoderError
            As `forward` does.
        """
        given = self.stop_gradient or self.teacher is not None
        check_embeddings(transformed, len(transformed), learning=True)
        check_embeddings(clean, len(transformed), learning=False)
        if clean.shape != transformed.shape:
            raise TrainingError(
                f"clips have embeddings of {clean.shape[1]} numbers and views of"
                f" {transformed.shape[1]}; a teacher must be of the encoder's size"
            )
        target = clean.detach() if given else clean
        with torch.autocast(clean.device.type, enabled=False):
            return self.weight * self.form(_precise(target), _precise(transformed))

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the module; a teacher stays evaluated."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def get_extra_state(self) -> dict[str, Any]:
        """Return how far was drawn, for `state_dict`."""
        return {"drawn": self.views.drawn}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on drawing where a `state_dict` left it.

        Raises
        ------
        TrainingError
            If that does not tell how far was drawn.
        """
        drawn = state.get("drawn") if isinstance(state, dict) else None
        if not is_whole(drawn) or drawn < 0:
            raise TrainingError(
                f"the state of a ConsistencyLoss tells how many batches were drawn, {{'drawn':"
                f" 12}}, not {state!r}; load what its state_dict() returned"
            )
        self.views.drawn = int(drawn)

    def extra_repr(self) -> str:
        """Return what it is made of, for `repr`."""
        name = getattr(self.form, "__name__", repr(self.form))
        return (
            f"form={name}, weight={self.weight}, stop_gradient={self.stop_gradient}\n{self.views!r}"
        )


def _copied(teacher: nn.Module) -> nn.Module:
    """Return a copy of a teacher, which training does not reach.

    Raises
    ------
    SettingError
        If it cannot be copied.
    """
    try:
        return copy.deepcopy(teacher)
    except Exception as error:
        raise SettingError(
            f"the teacher, {type(teacher).__name__}, cannot be copied ({error}); build it a second"
            " time and load the same weights, and of torch.nn.utils.weight_norm use"
            " torch.nn.utils.parametrizations.weight_norm"
        ) from error


def _check_rate(encode: object, sample_rate: int) -> None:
    """Check that an encoder that names a sample rate names that of the waveforms.

    Raises
    ------
    TrainingError
        If it names another.
    """
    module = Call(encode, None).module if callable(encode) else None
    named = getattr(encode if module is None else module, "sample_rate", None)
    if isinstance(named, int) and named != sample_rate:
        raise TrainingError(
            f"the encoder takes {named:,} Hz, as its attribute sample_rate says, and the loss was"
            f" made for waveforms of {sample_rate:,} Hz; give both the same"
        )


def _form_of(form: str | Form) -> Form:
    if is_one_of(form, FORMS):
        return FORMS[form]
    if callable(form):
        return form
    known = ", ".join(map(repr, FORMS))
    raise SettingError(f"form must be one of {known}, or a function of embeddings, not {form!r}")


def _precise(embeddings: Tensor) -> Tensor:
    return embeddings if embeddings.dtype == torch.float64 else embeddings.float()
