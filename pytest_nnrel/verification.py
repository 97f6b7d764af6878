"""Measures again what a results file states, from what the file says of it itself."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_nnrel.corpus import Corpus, reopen
from pytest_nnrel.directions import directions
from pytest_nnrel.encoders import MFCCEncoder, as_encoder
from pytest_nnrel.errors import NNRelError, ResultsError
from pytest_nnrel.experiment.attacks import question_to
from pytest_nnrel.experiment.blocks import spread
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.interchange import interchangeability
from pytest_nnrel.measures import (
    audio_consistency,
    between_consistency,
    study_on,
    within_consistency,
)
from pytest_nnrel.monotonicity import monotonicity
from pytest_nnrel.report.results import environment, kind_of, subject_of
from pytest_nnrel.response import equivariance, sensitivity
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.listing import a_few
from pytest_nnrel.transforms import parse_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_nnrel.measurement import Measurement, PlainMeasurement
    from pytest_nnrel.recording import Results
    from pytest_nnrel.transforms import Transform

#: Difference of two values that are the same.
TOLERANCE = 1e-4
#: What else than values is compared.
_IDENTITY = {
    "encoder_fingerprint": "another fingerprint",
    "index_fingerprint": "another fingerprint of the index",
    "encoder_sample_rate": "another sample rate",
    "encoder_window_seconds": "another window",
}


#: What scores among fewer clips are made of.
_RANKED: tuple[Literal["ranks"], Literal["others"]] = ("ranks", "others")


class NotCheckableError(NNRelError):
    """A measurement that cannot be made again from what is known of it."""


@dataclass(frozen=True)
class Checked:
    """A stated measurement, and what came of measuring it again.

    Attributes
    ----------
    stated : PlainMeasurement
    outcome : {"same", "differs", "not checked"}
    found : str
        What was measured instead, or why nothing was.
    """

    stated: PlainMeasurement
    outcome: Literal["same", "differs", "not checked"]
    found: str = ""

    def __str__(self) -> str:
        name = self.stated["details"]["transform"]["name"]
        said = f"{subject_of(self.stated)}: {kind_of(self.stated)} {name}"
        value = f"{self.stated['value']:.3f}"
        return f"{self.outcome}: {said} = {value}" + (f"; {self.found}" if self.found else "")


@dataclass(frozen=True)
class Verifier:
    """Measures again.

    Attributes
    ----------
    results : Results
    encoders : mapping of str to object
        By the name that they have in the results; the MFCC encoder is known.
    corpus : Corpus or None
        Instead of those that the results name.
    tolerance : float
        Of values.
    """

    results: Results
    encoders: Mapping[str, object]
    corpus: Corpus | None = None
    tolerance: float = TOLERANCE

    def verify(self, sample: int | None = None) -> Iterator[Checked]:
        """Yield what came of each measurement, or of a sample of them; nothing stored is taken.

        Parameters
        ----------
        sample : int, optional
            So many, evenly spread over their digests; all where omitted. They come in the order
            of encoders, measures and severities.

        Raises
        ------
        ResultsError
            If the results are incomplete.
        """
        measurements = list(self.results["measurements"].values())
        most = len(measurements) if sample is None else sample
        chosen = [measurements[i] for i in spread(len(measurements), most)]
        with _without_cache():
            for stated in sorted(chosen, key=_place):
                yield self._checked(stated)

    def notes(self) -> list[str]:
        """Return which versions that decide values are others than they were."""
        then, now = self.results["environment"], environment()
        return [
            f"{name}: {then[name]} then, {now.get(name, 'not installed')} now"
            for name in sorted(then)
            if then[name] != now.get(name)
        ]

    def _checked(self, stated: PlainMeasurement) -> Checked:
        try:
            found = self._measured_again(stated).as_dict()
        except NotCheckableError as error:
            return Checked(stated, "not checked", str(error))
        except NNRelError as error:
            return Checked(stated, "not checked", f"cannot be measured: {error}")
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ResultsError(
                f"results are incomplete or were changed: {type(error).__name__} {error}"
            ) from error
        then, now = stated["details"]["identity"], found["details"]["identity"]
        others = [what for key, what in _IDENTITY.items() if then.get(key) != now.get(key)]
        differs = []
        if not abs(found["value"] - stated["value"]) <= self.tolerance:  # NaN neither
            differs.append(f"measured {found['value']:.3f}")
        if found["n"] != stated["n"]:
            differs.append(f"of {found['n']} clips")
        if not np.allclose(found["ci"], stated["ci"], rtol=0.0, atol=self.tolerance):
            differs.append("with the interval [{:.3f}, {:.3f}]".format(*found["ci"]))
        differs += [
            f"with other {told}"
            for told in _RANKED
            if told in stated["details"]
            and stated["details"].get(told) != found["details"].get(told)
        ]
        if found["outcomes"] != stated["outcomes"]:
            differs.append(self._flipped(stated, found))
        return Checked(stated, "differs" if differs else "same", ", ".join([*differs, *others]))

    def _flipped(self, stated: PlainMeasurement, found: PlainMeasurement) -> str:
        clips = self.results["corpora"][stated["details"]["identity"]["corpus"]]["clips"]
        pairs = zip(clips, stated["outcomes"], found["outcomes"])
        others = [clip for clip, then, now in pairs if then != now]
        return f"{len(others)} clips fare otherwise ({a_few(others)})"

    def _measured_again(self, stated: PlainMeasurement) -> Measurement:
        again = _AGAIN.get(stated["measure"])
        if again is None:
            raise NotCheckableError(f"{stated['measure']!r} is of a single clip")
        return again(self, stated, self._corpus_of(stated))

    def _corpus_of(self, stated: PlainMeasurement) -> Corpus:
        described = stated["details"]["corpus"]
        if self.corpus is not None:
            corpus = self.corpus
        elif described["origin"] is None:
            raise NotCheckableError(
                f"corpus {described['name']!r} was made in Python: name a folder that holds its"
                " clips with --corpus"
            )
        else:
            corpus = reopen(described)
        clips = self.results["corpora"][described["fingerprint"]]["clips"]
        if len(corpus) > len(clips) and set(clips) <= set(corpus.ids):
            corpus = corpus.subset(clips)
        if corpus.fingerprint != described["fingerprint"]:
            raise NotCheckableError(
                f"corpus {described['name']!r} is another by now: {len(corpus)} clips, fingerprint"
                f" {corpus.fingerprint}, and {described['fingerprint']} was measured"
            )
        return corpus

    def encoder(self, name: str) -> object:
        """Return the encoder of a name."""
        if name in self.encoders:
            return self.encoders[name]
        mfcc = MFCCEncoder()
        if name == mfcc.name:
            return mfcc
        raise NotCheckableError(
            f"encoder {name!r} is not to be had: --encoder={name}=MODULE:OBJECT"
        )


def _place(stated: PlainMeasurement) -> tuple[str, str, str, float]:
    """Return where a measurement stands among others."""
    transform = stated["details"]["transform"]
    severity = transform["severity"]
    place = np.inf if severity is None else severity
    return subject_of(stated), kind_of(stated), transform["family"], place


@contextmanager
def _without_cache() -> Iterator[None]:
    """Keep nothing, and take nothing that earlier runs kept: it is what is to be checked."""
    scope = settings.activate(replace(settings.active(), cache_dir=None))
    try:
        yield
    finally:
        settings.deactivate(scope)


def _condition(stated: PlainMeasurement) -> Transform:
    name = stated["details"]["transform"]["name"]
    try:
        return parse_transform(name)
    except NNRelError as error:
        raise NotCheckableError(
            f"{name} was made in Python; import what defines it: {error}"
        ) from error


def _within(verifier: Verifier, stated: PlainMeasurement, corpus: Corpus) -> Measurement:
    identity = stated["details"]["identity"]
    return within_consistency(
        verifier.encoder(identity["encoder"]),  # type: ignore[arg-type]  # told when it is taken
        _condition(stated),
        corpus=corpus,
        distance=identity["latent_distance"],
        neighbours=identity.get("neighbours", "others"),  # type: ignore[arg-type]
        seed=identity["seed"],
    )


def _audio(verifier: Verifier, stated: PlainMeasurement, corpus: Corpus) -> Measurement:
    identity = stated["details"]["identity"]
    return audio_consistency(
        _condition(stated),
        corpus=corpus,
        distance=identity["audio_distance"],
        neighbours=identity.get("neighbours", "others"),  # type: ignore[arg-type]
        seed=identity["seed"],
        encoder=verifier.encoder(identity["attacked"]) if "attacked" in identity else None,  # type: ignore[arg-type]
    )


def _between(verifier: Verifier, stated: PlainMeasurement, corpus: Corpus) -> Measurement:
    identity = stated["details"]["identity"]
    return between_consistency(
        verifier.encoder(identity["encoder"]),  # type: ignore[arg-type]
        _condition(stated),
        corpus=corpus,
        measure=stated["measure"],
        audio_distance=identity["audio_distance"],
        latent_distance=identity["latent_distance"],
        pairs=identity.get("pairs", "all"),  # type: ignore[arg-type]
        neighbours=identity.get("neighbours", "others"),  # type: ignore[arg-type]
        seed=identity["seed"],
    )


def _across(verifier: Verifier, stated: PlainMeasurement, corpus: Corpus) -> Measurement:
    identity = stated["details"]["identity"]
    found = interchangeability(
        verifier.encoder(identity["index"]),  # type: ignore[arg-type]
        verifier.encoder(identity["encoder"]),  # type: ignore[arg-type]
        transform=_condition(stated),
        queries="new",
        distance=identity["latent_distance"],
        neighbours=identity.get("neighbours", "others"),  # type: ignore[arg-type]
        corpus=corpus,
        seed=identity["seed"],
    )
    return found.measurements[0]


def _monotone(verifier: Verifier, stated: PlainMeasurement, corpus: Corpus) -> Measurement:
    identity = stated["details"]["identity"]
    rungs = identity["rungs"]
    (found,) = monotonicity(
        verifier.encoder(identity["encoder"]),  # type: ignore[arg-type]
        parse_transform(rungs[-1]),
        corpus=corpus,
        distance=identity["latent_distance"],
        audio_distance=identity["audio_distance"],
        neighbours=identity.get("neighbours", "others"),  # type: ignore[arg-type]
        steps=len(rungs) - 1,
        seed=identity["seed"],
    )
    return found


def _response(verifier: Verifier, stated: PlainMeasurement, corpus: Corpus) -> Measurement:
    identity = stated["details"]["identity"]
    rungs = [parse_transform(name) for name in identity["rungs"]]
    down = [rung for rung in rungs if (rung.severity or 0.0) < 0.0]
    up = [rung for rung in rungs if (rung.severity or 0.0) > 0.0]
    measure = sensitivity if stated["measure"] == "sensitivity" else equivariance
    return measure(
        verifier.encoder(identity["encoder"]),  # type: ignore[arg-type]
        [*down[:1], *up[-1:]],
        corpus=corpus,
        steps=max(len(down), len(up)),
        seed=identity["seed"],
    )


def _directions(verifier: Verifier, stated: PlainMeasurement, corpus: Corpus) -> Measurement:
    identity = stated["details"]["identity"]
    study = study_on(corpus, identity["seed"])
    encoder = as_encoder(verifier.encoder(identity["encoder"]))
    listener = recognise(encoder, study)
    rungs = map(parse_transform, identity["rungs"])
    found = directions([embed(listener, render(question_to(listener, rung))) for rung in rungs])
    if found is None:
        raise NotCheckableError(f"{', '.join(identity['rungs'])} are no rungs of one family")
    return found


_AGAIN: dict[str, Callable[[Verifier, PlainMeasurement, Corpus], Measurement]] = {
    "within": _within,
    "audio": _audio,
    "accuracy": _between,
    "rho": _between,
    "across": _across,
    "monotone": _monotone,
    "sensitivity": _response,
    "equivariance": _response,
    "directions": _directions,
}
