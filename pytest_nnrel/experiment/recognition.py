"""Whether stored embeddings are of this encoder still: witnesses are encoded again."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_nnrel.encoders.layers import LayerEncoder
from pytest_nnrel.experiment.encoding import Listener
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.study import ORIGINAL, once, question
from pytest_nnrel.runtime.devices import CPU
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_nnrel.encoders import Encoder
    from pytest_nnrel.experiment.encoding import Embedding
    from pytest_nnrel.experiment.study import Study

#: Relative deviation that a change of batch or thread count explains.
WITNESS_TOLERANCE = 1e-3
#: Witnesses are so many that a change that moves this share of the clips is missed so rarely.
WITNESS_SHARE = 0.05
WITNESS_MISSED = 0.05
#: Witnesses of further measurements, where state may move within a run.
FURTHER_WITNESSES = 2
#: Draws witnesses, other ones in each run, so that runs together see more than one does.
ANY_CLIPS = np.random.default_rng()


def recognise(encoder: Encoder, study: Study) -> Listener:
    """Return how an encoder is known to the store, after checking that this still holds.

    No look at code and state sees everything: files that are read, libraries' globals. So some
    originals, drawn anew each time, are encoded again, and where they come out differently, what is
    stored of the encoder is passed over. Values of earlier runs get many witnesses, once a run; a
    state that nobody looked into gets a few in each further measurement; and what cannot be looked
    into, without anybody to vouch for it, is known for this measurement only. What is stored is of
    the device that computed it, and of how a compiler or runtime was told to.

    Raises
    ------
    CorpusError
        If the corpus holds less of each clip than the encoder's window.
    EncoderError
        If the encoder fails.
    """
    if isinstance(encoder, LayerEncoder):
        whole = recognise(encoder.whole, study)
        generation = study.stores.generation(whole.identity)
        # By place: outputs of several ways to name them may be called alike.
        identity = digest("layer", whole.identity, generation, encoder.place)
        fingerprint = encoder.fingerprint_of(whole.fingerprint)
        return Listener(encoder, whole.originals, fingerprint, identity, whole)
    seconds = encoder.window_seconds or study.corpus.window_seconds
    study.corpus.require_source(seconds, f"encoder {encoder.name!r}")
    found = encoder.identify()
    vouched = found.fingerprint is not None
    identity = digest(
        found.fingerprint,
        found.behaviour.digest if found.behaviour.known or vouched else once(),
        encoder.name,
        encoder.sample_rate,
        encoder.window_seconds,
        encoder.batch_size,
        sorted(encoder.runs_on or found.behaviour.devices or (CPU,)),
        found.behaviour.executed,
    )
    originals = render(question(study, ORIGINAL))
    listener = Listener(encoder, originals, found.fingerprint, identity)
    first = vouched and listener.originals_known not in study.stores.witnessed
    if encoder.tells_its_state and vouched and not first:
        return listener
    number = witnesses_among(len(study.corpus)) if first else FURTHER_WITNESSES
    stored = _witnesses(listener, number)
    while stored:
        clips = list(stored)
        task = listener.task(originals)
        fresh = task.encode(clips, task.windows(clips))
        if same_embeddings(fresh, list(stored.values())):
            study.stores.witnessed.add(listener.originals_known)
            break
        study.stores.distrust(identity)
        stored = _witnesses(listener, number)
    return listener


def _witnesses(listener: Listener, number: int) -> dict[int, Embedding]:
    """Return stored embeddings of some originals, drawn at random."""
    task = listener.task(listener.originals)
    order = ANY_CLIPS.permutation(len(listener.study.corpus)).tolist()
    found: dict[int, Embedding] = {}
    while order and len(found) < number:
        tried, order = order[:number], order[number:]
        found.update(task.stored(tried))
    return dict(itertools.islice(found.items(), number))


def witnesses_among(
    clips: int, share: float = WITNESS_SHARE, missed: float = WITNESS_MISSED
) -> int:
    """Return how many clips are encoded again to see that stored embeddings hold.

    Drawn without replacement, they miss a change that moves a share of the clips with a
    probability of at most `missed` (hypergeometric): 59 of very many, 46 of 134, 19 of 20.
    """
    moved = max(1, math.ceil(share * clips))
    passed = 1.0
    for drawn in range(clips):
        passed *= max(0, clips - moved - drawn) / (clips - drawn)
        if passed <= missed:
            return drawn + 1
    return clips


def same_embeddings(fresh: npt.NDArray[np.float32], stored: Sequence[Embedding]) -> bool:
    """Tell whether embeddings are the same but for rounding, against the spread among them."""
    if any(old.shape != fresh.shape[1:] for old in stored):
        return False
    kept = np.stack(stored).astype(np.float64)
    spread = float(np.linalg.norm(kept - kept[0], axis=1).max())
    scale = spread if spread > 0.0 else float(np.linalg.norm(kept[0]))
    return float(np.linalg.norm(fresh - kept, axis=1).max()) <= WITNESS_TOLERANCE * scale
