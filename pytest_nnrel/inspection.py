"""What is known of one clip, and its audio to hear: ``python -m pytest_nnrel show``."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus import Clip, Corpus, reopen
from pytest_nnrel.distances import audio_features, pairwise_distances
from pytest_nnrel.errors import ResultsError
from pytest_nnrel.measurement import MEASURES
from pytest_nnrel.report.reading import as_written
from pytest_nnrel.report.results import kind_of, load_results, subject_of, told_apart
from pytest_nnrel.runtime.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_nnrel.distances.mfcc import Frames
    from pytest_nnrel.measurement import Details, PlainMeasurement, WorstClip
    from pytest_nnrel.recording import Results

#: Programs that play a WAV of floats and end with it, and the options that make them do so.
PLAYERS = {
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error"),
    "afplay": (),
    "pw-play": (),
    "paplay": (),
    "aplay": ("-q",),
    "play": ("-q",),
}
#: Audio distance that says how alike clips are, whatever an encoder makes of them.
_METRIC = "dtw"
_UNKNOWN = "-"


@dataclass(frozen=True)
class Finding:
    """What a run found of one clip under one transformation.

    Attributes
    ----------
    subject : str
        The encoder, or audio space.
    kind : str
        Measure and distances.
    outcome : str
        ``"nearest"`` or ``"lost"``; of C_acc, ``"agree"`` or ``"disagree"``.
    margin : float
        Distance to the nearest other original minus that to its own, over the sum of both.
    worst : WorstClip or None
        Both distances, and the nearest other original; None for a clip that is not among the
        worst, of which results hold no more.
    details : Details
        Of the measurement.
    """

    subject: str
    kind: str
    outcome: str
    margin: float
    worst: WorstClip | None
    details: Details

    @property
    def transform(self) -> str:
        """Name of the transformation."""
        return str(self.details["transform"]["name"])


def findings_of(path: Path, clip_id: str, transform: str | None = None) -> list[Finding]:
    """Return what a ``results.json`` holds of a clip, the smallest margin first.

    Parameters
    ----------
    path : Path
    clip_id : str
    transform : str, optional
        Name of the only transformation that is looked for.

    Raises
    ------
    ResultsError
        If the file is no results file, or holds nothing of the clip.
    """
    results = load_results(path)
    with as_written(path):
        measurements = told_apart(results)["measurements"].values()
        found = [f for m in measurements for f in _found(m, clip_id, results)]
    if not found:
        raise ResultsError(
            f"{path} holds nothing of clip {clip_id!r}; name one of a corpus that was measured, or"
            " leave --results out"
        )
    wanted = [f for f in found if transform in (None, f.transform, f.details["transform"]["asked"])]
    if not wanted:
        raise ResultsError(
            f"{path} holds nothing of {transform}; it has"
            f" {', '.join(sorted({finding.transform for finding in found}))}"
        )
    return sorted(wanted, key=lambda finding: finding.margin)


def _found(measurement: PlainMeasurement, clip_id: str, results: Results) -> Iterator[Finding]:
    details = measurement["details"]
    measure = MEASURES[measurement["measure"]]
    if measurement["measure"] == "exemplar":
        clips = [details["identity"]["clip"]]
    else:
        clips = results["corpora"][details["identity"]["corpus"]]["clips"]
    if measure.kept and clip_id in clips:
        index = clips.index(clip_id)
        yield Finding(
            subject_of(measurement),
            kind_of(measurement),
            measure.kept if measurement["outcomes"][index] == "1" else measure.lost,
            float(details["relative_margins"][index]),
            next((worst for worst in measurement["worst"] if worst["id"] == clip_id), None),
            details,
        )


def table_of(findings: Sequence[Finding]) -> list[str]:
    """Return findings as lines of a table."""
    rows = [
        ("encoder", "measure", "transformation", "outcome", "margin", "to its own", "to another",
         "nearest other original"),
        *(
            (f.subject, f.kind, f.transform, f.outcome, f"{f.margin:.3f}",
             *_distances(f.worst))
            for f in findings
        ),
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(r, widths)).rstrip() for r in rows]


def _distances(worst: WorstClip | None) -> tuple[str, str, str]:
    """Return both distances and the nearest other original, as far as results hold them."""
    if worst is None:
        return _UNKNOWN, _UNKNOWN, _UNKNOWN
    distances = _number(worst["own_distance"]), _number(worst["neighbour_distance"])
    return *distances, worst["neighbour"]


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.5g}"


def corpus_of(finding: Finding, geometry: dict[str, Any]) -> Corpus:
    """Return the corpus that a finding is of.

    Parameters
    ----------
    finding : Finding
    geometry : dict
        Rates and lengths that it is to have instead of those that were measured.

    Raises
    ------
    ResultsError
        If it was made in Python.
    CorpusError
        If it cannot be opened any more.
    """
    described = finding.details["corpus"]
    if described["origin"] is None:
        raise ResultsError(
            f"corpus {described['name']!r} was made in Python, so that its audio is not to be had"
            " from here; name a folder that holds the clips with --corpus"
        )
    corpus = reopen(described, **geometry)
    if described["clips"] < len(corpus):
        part = corpus.subset(described["clips"])
        if part.fingerprint == described["fingerprint"]:  # --nnrel-clips
            return part
    return corpus


def nearest_other(query: Clip, original: str, corpus: Corpus) -> str:
    """Return the id of the original that sounds nearest to a clip, but for its own and its group.

    Parameters
    ----------
    query : Clip
    original : str
        Id of its own original.
    corpus : Corpus
    """
    grouped = dict(zip(corpus.ids, corpus.groups))
    others = [id_ for id_ in corpus.ids if grouped[id_] != grouped[original]]
    others = others or [id_ for id_ in corpus.ids if id_ != original]  # where all are of one
    features = [
        _features(corpus.clip(id_), corpus)
        for id_ in progress(others, len(others), "audio of the originals", "clip")
    ]
    distances = pairwise_distances([_features(query, corpus)], features, _METRIC)[0]
    return others[int(np.argmin(distances))]


def _features(clip: Clip, corpus: Corpus) -> Frames:
    return audio_features(clip.with_samples(clip.window(corpus.window_seconds)))


def describe(clips: dict[str, Clip], corpus: Corpus) -> list[str]:
    """Return lines on clips: what each is, and how far the audio of each two is apart.

    Parameters
    ----------
    clips : dict of str to Clip
        By the role that each has, such as ``"original"``.
    corpus : Corpus
    """
    width = max(map(len, clips))
    lines = [
        f"{role:<{width}}  {clip.id}{'' if clip.group is None else f' of {clip.group}'},"
        f" {clip.seconds:.3g} s at {clip.sample_rate:,} Hz, {clip.loudness:.1f} LUFS"
        for role, clip in clips.items()
    ]
    roles = list(clips)
    features = [_features(clip, corpus) for clip in clips.values()]
    matrix = pairwise_distances(features, features, _METRIC)
    apart = [
        f"{one} to {other} {matrix[i][j]:.5g}"
        for i, one in enumerate(roles)
        for j, other in enumerate(roles)
        if i < j
    ]
    return [*lines, f"audio ({_METRIC}): {', '.join(apart)}"]


def write_clips(clips: dict[str, Clip], seconds: float, folder: Path) -> list[Path]:
    """Write the centres of clips as WAV, named by number and role; return the files.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, (role, clip) in enumerate(clips.items(), start=1):
        files.append(folder / f"{number}-{role}.wav")
        # Floats, since loudness restoration may go beyond full scale.
        soundfile.write(files[-1], clip.window(seconds), clip.sample_rate, subtype="FLOAT")
    return files


def play(files: Iterable[Path]) -> str:
    """Play WAVs one after the other; return what was in the way of it, or nothing."""
    name = next(filter(shutil.which, PLAYERS), None)
    if name is None:
        return (
            f"no player was found (of {', '.join(PLAYERS)}): open the files, or install one"
            " (Debian: ffmpeg)"
        )
    for file in files:
        done = subprocess.run(
            [name, *PLAYERS[name], str(file)], check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            return f"{name} could not play {file} (exit code {done.returncode}): open the file"
    return ""
