"""What an encoder hears of perturbed clips, through which gradients flow: resampled, and cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus import audio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_nnrel.corpus import Clip
    from pytest_nnrel.corpus.audio import Samples

    Tensor = Any


@dataclass(frozen=True)
class Window:
    """Where the window that is heard lies in clips.

    Attributes
    ----------
    clip_rate : int
        Of the clips, in Hz.
    rate : int
        Of what is heard.
    seconds : float
    """

    clip_rate: int
    rate: int
    seconds: float

    @property
    def samples(self) -> int:
        """Length at the clips' rate."""
        return round(self.seconds * self.clip_rate)

    def place(self, length: int) -> tuple[slice, slice]:
        """Return which samples of a clip so long are heard, and which of the window those are."""
        inside = min(length, self.samples)
        first, before = (length - inside) // 2, (self.samples - inside) // 2
        return slice(first, first + inside), slice(before, before + inside)

    def room(self, clips: Sequence[Clip]) -> npt.NDArray[np.bool_]:
        """Return where in the window there is a clip, bool[n, samples]."""
        room = np.zeros((len(clips), self.samples), dtype=bool)
        for row, clip in zip(room, clips):
            row[self.place(len(clip.samples))[1]] = True
        return room

    def energies(self, clips: Sequence[Clip]) -> npt.NDArray[np.float64]:
        """Return the energy of what is heard of clips, float64[n]."""
        return np.array(
            [
                np.square(clip.samples[self.place(len(clip.samples))[0]], dtype=np.float64).sum()
                for clip in clips
            ]
        )

    def perturbed(self, clip: Clip, perturbation: Samples) -> Samples:
        """Return the samples of a clip with a perturbation of its window added."""
        of_clip, of_window = self.place(len(clip.samples))
        samples = clip.samples.copy()
        samples[of_clip] += perturbation[of_window]
        return samples

    def heard(self, samples: Samples) -> Samples:
        """Return what is heard of samples, as `Clip.window` cuts it."""
        resampled = audio.resample(samples, self.clip_rate, self.rate)
        return audio.centre(resampled, round(self.seconds * self.rate))

    def pulled_back(self, gradient: Samples, length: int) -> Samples:
        """Return a gradient of what is heard as one of the perturbation of a clip so long.

        Resampling is linear, and its adjoint is, but for a factor, resampling the other way.
        """
        resampled = round(length * self.rate / self.clip_rate)
        whole = audio.centre(audio.centre(gradient, min(len(gradient), resampled)), resampled)
        back = audio.resample(whole, self.rate, self.clip_rate)
        back = np.pad(back, (0, max(0, length - len(back))))
        of_clip, of_window = self.place(length)
        pulled = np.zeros(self.samples, dtype=np.float32)
        pulled[of_window] = back[of_clip]
        return pulled


def hearing(window: Window, clips: Sequence[Clip]) -> Callable[[Tensor], Tensor]:
    """Return a function of perturbations of clips, float32[n, samples], to what is heard of them.

    Gradients flow through it.
    """
    import torch

    class Heard(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, perturbations: Tensor) -> Tensor:  # noqa: ANN401
            rows = perturbations.detach().numpy()
            heard = [window.heard(window.perturbed(c, row)) for c, row in zip(clips, rows)]
            return torch.from_numpy(np.stack(heard))

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
            rows = gradient.cpu().numpy()
            pulled = [window.pulled_back(row, len(c.samples)) for c, row in zip(clips, rows)]
            return torch.from_numpy(np.stack(pulled))

    heard: Callable[[Tensor], Tensor] = Heard.apply
    return heard
