"""What an attack is aimed at: an encoder among the originals of a study."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.encoders import as_encoder
from pytest_nnrel.encoders.gradients import traced
from pytest_nnrel.errors import EncoderError, GradientError, TransformError
from pytest_nnrel.experiment.attacks.descent import OF_DIRECTIONS, Logits, descend, noises
from pytest_nnrel.experiment.attacks.heard import Window, hearing
from pytest_nnrel.experiment.embedding import can_be_sent, embeddings_of
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.study import known_as, question
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.tasks import leaves_process
from pytest_nnrel.transforms.noise import SNR_TOLERANCE_DB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_nnrel.corpus import Clip, Corpus
    from pytest_nnrel.corpus.audio import Samples
    from pytest_nnrel.distances import Distance
    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.experiment.embedding import Embeddings
    from pytest_nnrel.experiment.encoding import Listener
    from pytest_nnrel.experiment.study import Question
    from pytest_nnrel.runtime.handed import Handed
    from pytest_nnrel.transforms import Transform
    from pytest_nnrel.transforms.adversarial import Adversarial
    from pytest_nnrel.transforms.output import Checks

#: Distances whose margins have gradients here.
DISTANCES = ("euclidean", "cosine", "angular", "dot")
#: Torch uses all processors for one attack, and modules keep their mode in themselves.
_ONE_AT_A_TIME = threading.Lock()


def aimed(asked: Question, listener: Listener | None, distance: Distance) -> Question:
    """Return a question as it is put to an encoder: attacks in it are aimed at that.

    Parameters
    ----------
    asked : Question
    listener : Listener or None
        The encoder that is measured; None where none is, as in audio space.
    distance : Distance
        Of latent space.

    Raises
    ------
    EncoderError
        If an original has no direction, and the distance is of directions.
    TransformError
        If there is no encoder to attack, or nothing is known of the distance's gradients.
    """
    if not asked.condition.of_encoder:
        return asked
    condition = asked.condition.aimed(lambda encoder: _target(asked, encoder, listener, distance))
    return replace(asked, condition=condition, known=known_as(condition))


def question_to(
    listener: Listener, transform: Transform, distance: Distance | None = None
) -> Question:
    """Put a question to an encoder.

    Parameters
    ----------
    listener : Listener
    transform : Transform
    distance : Distance, optional
        Euclidean where omitted.
    """
    distance = resolve_distance("euclidean", "latent") if distance is None else distance
    return aimed(question(listener.study, transform), listener, distance)


def _target(
    asked: Question,
    encoder: Any,  # noqa: ANN401  (whatever as_encoder takes)
    listener: Listener | None,
    distance: Distance,
) -> Target:
    study = asked.study
    attacked = listener if encoder is None else recognise(as_encoder(encoder), study)
    if attacked is None:
        raise TransformError(
            f"{asked.condition.name} has no encoder to attack in audio space; name one:"
            " Adversarial(snr_db, encoder=...)"
        )
    if distance.name not in DISTANCES:
        raise TransformError(
            f"{asked.condition.name} attacks distances whose gradients are known:"
            f" {', '.join(DISTANCES)}, not {distance.name!r}"
        )
    key = attacked.key(attacked.originals)
    originals = embeddings_of(attacked, attacked.originals)
    if distance.name in OF_DIRECTIONS and (zero := ~originals.any(axis=1)).any():
        at_fault = a_few([study.corpus.ids[i] for i in np.flatnonzero(zero)])
        raise EncoderError(
            f"encoder {attacked.encoder.name!r} has embeddings of zeros for {at_fault}, which have"
            f" no {distance.name} distance to anything; attack another distance, or leave them out"
        )
    groups = study.competing_groups
    return Target(
        name=attacked.encoder.name,
        told=digest(key, distance.name, groups),
        lasting=attacked.fingerprint is not None,
        encoder=attacked.task(attacked.originals).encoder,
        originals=study.stores.handed(
            originals, f"embeddings of {attacked.encoder.name!r}", digest("originals", key)
        ),
        corpus=study.handed_corpus,
        window=Window(study.corpus.sample_rate, attacked.sample_rate, attacked.window_seconds),
        distance=distance.name,
        grouped=groups is not None,
    )


@dataclass(frozen=True, eq=False)
class Target:
    """An encoder among the originals of a corpus, as tasks take it along.

    Attributes
    ----------
    name : str
        Of the encoder.
    told : str
        What it is known by.
    lasting : bool
        Whether that holds in later runs.
    encoder : Handed of Encoder
    originals : Handed of float32[N, d]
        Their embeddings.
    corpus : Handed of Corpus
    window : Window
        What the encoder hears.
    distance : str
        By which originals are near.
    grouped : bool
        Whether only originals of other groups compete.
    """

    name: str
    told: str
    lasting: bool
    encoder: Handed[Encoder]
    originals: Handed[Embeddings]
    corpus: Handed[Corpus]
    window: Window
    distance: str
    grouped: bool

    @property
    def batch_size(self) -> int:
        """Clips that are attacked at a time."""
        return self.encoder.value.batch_size

    @property
    def stays_here(self) -> bool:
        """Whether the encoder cannot be sent to workers in other processes."""
        return leaves_process() and not can_be_sent(self.encoder)

    def perturbed(
        self, attack: Adversarial, clips: Sequence[Clip], rngs: Sequence[np.random.Generator]
    ) -> list[tuple[Samples, Checks]]:
        """Return the samples of clips under an attack, and what was verified about each.

        Raises
        ------
        GradientError
            If no gradients flow from embeddings to audio.
        EncoderError
            Of the encoder.
        """
        energies = self.window.energies(clips)
        radii = np.sqrt(energies) * 10.0 ** (-attack.snr_db / 20.0)
        room = self.window.room(clips)
        if not attack.steps:
            return [
                self._checked(attack, clip, noise, {})
                for clip, noise in zip(clips, noises(rngs, room, radii))
            ]
        starts = [None, *(noises(rngs, room, radii) for _ in range(attack.restarts - 1))]
        encoder = self.encoder.value
        heard = hearing(self.window, clips)
        with _ONE_AT_A_TIME:
            found = descend(
                lambda delta: traced(encoder, heard(delta), self.window.rate),
                self._logits(clips),
                room,
                radii,
                steps=attack.steps,
                starts=starts,
                targeted=attack.targeted,
            )
        flat = found.flat & (energies > 0.0)
        if flat.any():
            at_fault = ", ".join(clip.id for clip, none in zip(clips, flat) if none)
            raise GradientError(
                f"the gradients of encoder {encoder.name!r} are zero or not finite on clips"
                f" {at_fault}, so that nothing can be said of the worst case; look for detach() and"
                " rounding, for roots and logarithms at 0 (add an epsilon), for clipping, and for"
                " weights that do not fit half precision"
            )
        return [
            self._checked(attack, clip, perturbation, {"steps": float(steps)})
            for clip, perturbation, steps in zip(clips, found.perturbations, found.steps)
        ]

    def _logits(self, clips: Sequence[Clip]) -> Logits:
        corpus = self.corpus.value
        own = [corpus.index(clip.id) for clip in clips]
        competing = np.ones((len(own), len(corpus)), dtype=bool)
        if self.grouped:
            groups = np.array(corpus.groups)
            competing = groups[own][:, None] != groups
        competing[np.arange(len(own)), own] = False
        return Logits(self.originals.value.astype(np.float64), own, competing, self.distance)

    def _checked(
        self, attack: Adversarial, clip: Clip, perturbation: Samples, checks: Checks
    ) -> tuple[Samples, Checks]:
        """Add a perturbation to a clip, and make sure that it is no louder than was asked for."""
        samples = self.window.perturbed(clip, perturbation)
        of_clip, _ = self.window.place(len(samples))
        before = clip.samples[of_clip].astype(np.float64)
        signal = float(np.square(before).sum())
        added = float(np.square(samples[of_clip] - before).sum())
        if not added:
            return samples, checks
        reached = 10.0 * math.log10(signal / added)
        if reached < attack.snr_db - SNR_TOLERANCE_DB:
            raise TransformError(
                f"{attack.name} on clip {clip.id!r}: reached {reached:.3f} dB SNR, which float32"
                " cannot hold any finer; ask for more energy"
            )
        return samples, {**checks, "snr_db": reached}
