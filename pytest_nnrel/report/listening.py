"""Failing clips to hear and see: original, transformed clip and wrong neighbour.

The audio lies beside the page in FLAC, which every browser plays and which loses nothing: what is
heard is what was compared. It is found by names that results alone determine, so that a page which
is made anew from ``results.json`` plays it too.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_nnrel.errors import NNRelError
from pytest_nnrel.runtime.files import replace_bytes
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from pytest_nnrel.corpus import Corpus
    from pytest_nnrel.measurement import CorpusFacts, PlainMeasurement, WorstClip
    from pytest_nnrel.report.findings import Row

#: Folder of the audio, beside the page.
AUDIO = "audio"
#: Cases of a page, and of one verdict.
MAX_CASES, MAX_OF_ONE = 8, 2
#: Audio of a page that is put into it, so that one file is all there is to send; in bytes.
INLINE_BYTES = 1_500_000
_SUFFIX = ".flac"
_OURS = re.compile(r"[0-9a-f]{32}\.flac")
#: Spectrogram: samples of a frame and from one to the next, rows of the picture, and decibels
#: below the loudest that it shows.
_FRAME, _HOP, _ROWS, _RANGE_DB = 1024, 256, 128, 80.0


class Recording(NamedTuple):
    """A clip to be heard: what it is to the case, what it is called, and where its audio lies."""

    role: str
    clip: str
    transform: str
    file: str


@dataclass(frozen=True)
class Case:
    """A transformed clip that left its original.

    Attributes
    ----------
    worst : dict
        Ids and distances, as in ``results.json``.
    measured : dict
        The measurement.
    recordings : tuple of Recording
        Original, transformed clip, wrong neighbour.
    """

    worst: WorstClip
    measured: PlainMeasurement

    @property
    def key(self) -> tuple[str, ...]:
        return self.worst["id"], self.worst["neighbour"], *self._condition

    @property
    def _condition(self) -> tuple[str, ...]:
        identity = self.measured["details"]["identity"]
        return identity["corpus"], str(identity["seed"]), identity["transform"]

    @property
    def recordings(self) -> tuple[Recording, ...]:
        corpus, seed, transform = self._condition
        original, neighbour = self.worst["id"], self.worst["neighbour"]

        def of(role: str, clip: str, transform: str = "") -> Recording:
            name = digest(corpus, clip, *((transform, seed) if transform else ()))
            return Recording(role, clip, transform, f"{name}{_SUFFIX}")

        return (
            of("original", original),
            of("transformed", original, transform),
            of("wrong neighbour", neighbour),
        )


@dataclass(frozen=True)
class Player:
    """A recording as the page has it: what to play, and what it looks like."""

    recording: Recording
    source: str
    spectrogram: str


def cases_of(rows: Iterable[Row]) -> dict[int, list[Case]]:
    """Return the cases to hear, by the position of their row.

    The worst clip of each verdict comes first, so that as many conditions as there is room for are
    heard, and each case just once.
    """
    wrong = [
        [
            Case(worst, row.measured)
            for worst in row.measured["worst"]
            if row.outcome in ("fails", "undecided") and _left(worst)
        ]
        if row.measured
        else []
        for row in rows
    ]
    found: dict[int, list[Case]] = {}
    heard: set[tuple[str, ...]] = set()
    for turn in range(MAX_OF_ONE):
        for position, cases in enumerate(wrong):
            if len(heard) == MAX_CASES:
                return found
            if turn < len(cases) and cases[turn].key not in heard:
                heard.add(cases[turn].key)
                found.setdefault(position, []).append(cases[turn])
    return found


def _left(worst: WorstClip) -> bool:
    own, other = worst["own_distance"], worst["neighbour_distance"]
    return own is None or other is None or own >= other


# ---------------------------------------------------------------------------------------------
# Writing


def write_audio(folder: Path, cases: Sequence[Case]) -> None:
    """Write what cases sound like, and delete what an earlier report left.

    What cannot be opened again from here, such as a corpus made in Python, is left out: the page
    says so.

    Parameters
    ----------
    folder : Path
        Of the audio alone.
    cases : sequence of Case

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    wanted = {recording.file for case in cases for recording in case.recordings}
    for file in folder.glob(f"*{_SUFFIX}"):
        if _OURS.fullmatch(file.name) and file.name not in wanted:
            file.unlink()
    missing = [
        case for case in cases if not all((folder / r.file).exists() for r in case.recordings)
    ]
    corpora: dict[str, Corpus | None] = {}
    for case in progress(missing, len(missing), "clips to hear", "clip"):
        about = case.measured["details"]["corpus"]
        if about["fingerprint"] not in corpora:
            corpora[about["fingerprint"]] = _reopened(about)
        corpus = corpora[about["fingerprint"]]
        if corpus is None:
            continue
        try:
            encoded = list(_encoded(case, corpus))
        except NNRelError:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for recording, content in encoded:
            replace_bytes(folder / recording.file, content)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _reopened(about: CorpusFacts) -> Corpus | None:
    """Return a corpus as its description has it; None where it was made in Python, or is gone."""
    from pytest_nnrel.corpus import reopen

    if about["origin"] is None:
        return None
    try:
        return reopen(about)
    except NNRelError:
        return None


def _encoded(case: Case, corpus: Corpus) -> Iterator[tuple[Recording, bytes]]:
    from pytest_nnrel.transforms import parse_transform

    seed = case.measured["details"]["identity"]["seed"]
    for recording in case.recordings:
        clip = corpus[corpus.index(recording.clip)]
        if recording.transform:
            clip = parse_transform(recording.transform).apply(clip, seed=seed)
        yield recording, _flac(clip.window(corpus.window_seconds), clip.sample_rate)


def _flac(samples: npt.NDArray[np.float32], sample_rate: int) -> bytes:
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    # Loudness restoration may go beyond full scale: turned down, rather than clipped.
    peak = max(1.0, float(np.abs(samples).max()))
    soundfile.write(buffer, samples / peak, sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


# ---------------------------------------------------------------------------------------------
# Showing


def players_of(cases: Sequence[Case], folder: Path | None) -> dict[Recording, Player]:
    """Return players for the recordings whose audio is there.

    Parameters
    ----------
    cases : sequence of Case
    folder : Path or None
        That has the audio; it is called `AUDIO`, beside the page.
    """
    if folder is None:
        return {}
    recordings = dict.fromkeys(recording for case in cases for recording in case.recordings)
    contents = {}
    for recording in recordings:
        try:
            contents[recording] = (folder / recording.file).read_bytes()
        except OSError:
            continue
    by_file = {recording.file: len(content) for recording, content in contents.items()}
    inline = sum(by_file.values()) <= INLINE_BYTES
    return {
        recording: Player(
            recording,
            _data_url("audio/flac", content) if inline else f"{AUDIO}/{recording.file}",
            _spectrogram(content),
        )
        for recording, content in contents.items()
    }


def why_silent(case: Case) -> str:
    """Return why a case has no audio."""
    from pytest_nnrel.transforms import parse_transform

    details = case.measured["details"]
    if details["corpus"]["origin"] is None:
        return "No audio: the corpus was made in Python and cannot be opened again from here."
    try:
        transform = parse_transform(details["transform"]["name"])
    except NNRelError:
        return "No audio: the transformation is not one of the package's own."
    if transform.of_encoder:
        return "No audio: an attack is made with its encoder; transformed_clip gives it."
    return f"No audio: it is not in {AUDIO}/ beside this page."


def _spectrogram(content: bytes) -> str:
    """Return a picture of FLAC audio: frequency over time, in decibels below the loudest."""
    import numpy as np
    import soundfile
    from matplotlib.image import imsave
    from scipy.signal import ShortTimeFFT

    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    except soundfile.LibsndfileError:  # not ours any more
        return ""
    if len(samples) < 2 * _FRAME:
        return ""
    transform = ShortTimeFFT.from_window("hann", rate, _FRAME, _FRAME - _HOP)
    _, first = transform.lower_border_end  # frames beyond both ends would look like fades
    _, last = transform.upper_border_begin(len(samples))
    power = transform.spectrogram(samples, p0=first, p1=last)[:-1]
    power = power.reshape(_ROWS, -1, last - first)
    levels = 10.0 * np.log10(np.maximum(power.mean(axis=1), np.finfo(np.float32).tiny))
    top = levels.max()
    picture = io.BytesIO()
    imsave(
        picture, levels, vmin=top - _RANGE_DB, vmax=top, cmap="magma", origin="lower", format="jpg"
    )
    return _data_url("image/jpeg", picture.getvalue())


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
