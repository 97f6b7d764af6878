"""Sung leads: syllables spoken by espeak-ng, with pitch, length and vocal tract set by WORLD.

espeak-ng speaks each syllable once for each speaker; the vocoder WORLD takes it apart into a
spectral envelope, its aperiodicity and where it is voiced. To sing a melody, envelopes are laid
along its tones (a consonant as spoken, the vowel as long as the tone), with the pitch that the
score has, and put together again.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.runtime.progress import progress
from reference_models.datasets.rendered import espeak
from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reference_models.datasets.rendered.parts import Parts
    from reference_models.datasets.rendered.score import Line, Note

#: Voices of espeak-ng, by the sex of the speaker.
SPEAKERS: dict[str, tuple[str, ...]] = {
    "female": ("en+f1", "en+f2", "en+f3", "en+f4", "en-us+f5", "en-us+Annie"),
    "male": ("en+m1", "en+m2", "en+m3", "en-us+m4", "en-us+m5", "en+m7"),
}
SYLLABLES = (
    "la", "nah", "dah", "doo", "me", "oh", "ray", "low", "we", "mah", "so", "you", "hey", "bee",
)  # fmt: skip
SAMPLE_RATE = 22050
_FRAME_SECONDS = 0.005
_WORDS_PER_MINUTE = "110"
_SPOKEN_LOWEST, _SPOKEN_HIGHEST = 60.0, 500.0
_AUDIBLE = 0.01
#: Parts of a syllable: where its vowel is taken to begin, and where it fades.
_VOWEL_BEGINS, _VOWEL_ENDS = 0.35, 0.85
_FADE_FRAMES = 6
_SILENT = 1e-12


@dataclass(frozen=True)
class Voices:
    """Syllables taken apart.

    Attributes
    ----------
    envelopes, aperiodicity : float32[frames, bins]
        Of all syllables, one after another, every 5 ms.
    voiced : bool[frames]
    spans : dict
        First frame and the one after the last, by speaker and syllable.
    speakers : dict
        Names by sex.
    syllables : tuple of str
    """

    envelopes: NDArray[np.float32]
    aperiodicity: NDArray[np.float32]
    voiced: NDArray[np.bool_]
    spans: dict[tuple[str, str], tuple[int, int]]
    speakers: dict[str, tuple[str, ...]]
    syllables: tuple[str, ...]

    @classmethod
    def speak(
        cls,
        parts: Parts,
        speakers: dict[str, tuple[str, ...]] = SPEAKERS,
        syllables: tuple[str, ...] = SYLLABLES,
    ) -> Voices:
        """Have every syllable spoken by every speaker: all of them take some 20 s.

        Parameters
        ----------
        parts : Parts
            Of which espeak-ng is taken.
        speakers : dict
            Voices of espeak-ng by sex.
        syllables : tuple of str

        Raises
        ------
        DatasetError
            If pyworld is not installed, or espeak-ng fails.
        """
        world = pyworld()
        wanted = [
            (speaker, syllable)
            for names in speakers.values()
            for speaker in names
            for syllable in syllables
        ]
        apart, spans, begin = [], {}, 0
        for speaker, syllable in progress(wanted, len(wanted), "voices", "syllable"):
            apart.append(_taken_apart(world, _spoken(parts, speaker, syllable)))
            end = begin + len(apart[-1][2])
            spans[speaker, syllable] = begin, end
            begin = end
        envelopes, aperiodicity, voiced = (np.concatenate(part) for part in zip(*apart))
        return cls(
            envelopes.astype(np.float32),
            aperiodicity.astype(np.float32),
            voiced,
            spans,
            speakers,
            syllables,
        )


def pyworld() -> Any:  # noqa: ANN401
    """Return the bindings of WORLD.

    Raises
    ------
    DatasetError
        If they are not installed.
    """
    try:
        import pyworld as world
    except ImportError as error:
        raise DatasetError(
            "singing needs pyworld: pip install 'pytest-nnrel-models[train]'"
        ) from error
    return world


def sing(
    line: Line, voices: Voices, sex: str, seconds: float, rng: np.random.Generator, *, cents: float
) -> NDArray[np.float32]:
    """Sing a melody, in one voice of many that are drawn.

    Parameters
    ----------
    line : Line
        One tone at a time.
    voices : Voices
    sex : {"female", "male"}
    seconds : float
    rng : numpy.random.Generator
    cents : float
        That it is tuned up by.

    Returns
    -------
    float32[samples]
        At 22,050 Hz.
    """
    world = pyworld()
    speaker = str(rng.choice(voices.speakers[sex]))
    frames = round(seconds / _FRAME_SECONDS)
    source, loudness = _laid_out(line.notes, voices, speaker, frames, rng)
    pitch = _pitch(line.notes, frames, rng) + cents / 100
    audible = source >= 0
    f0 = np.where(audible & voices.voiced[source], 440 * 2 ** ((pitch - 69) / 12), 0.0)
    tract = rng.uniform(0.95, 1.07)
    envelopes = _stretched(voices.envelopes[source], tract) * loudness[:, None] ** 2
    breath = rng.uniform(0.85, 1.25)
    sung = world.synthesize(
        f0,
        np.ascontiguousarray(np.maximum(np.where(audible[:, None], envelopes, 0), _SILENT)),
        np.ascontiguousarray(voices.aperiodicity[source].astype(np.float64) ** (1 / breath)),
        SAMPLE_RATE,
        _FRAME_SECONDS * 1000,
    )
    samples = round(seconds * SAMPLE_RATE)
    return np.pad(sung[:samples], (0, max(0, samples - len(sung)))).astype(np.float32)


def version(parts: Parts) -> str:
    """Return the version of espeak-ng.

    Raises
    ------
    DatasetError
        If it fails.
    """
    return _said(parts, SPEAKERS["female"][0], SYLLABLES[0])[1]


def _said(parts: Parts, speaker: str, syllable: str) -> tuple[int, str, NDArray[np.int16]]:
    """Return the sample rate, the version, and what espeak-ng says, in a process of its own."""
    done = subprocess.run(
        [
            sys.executable, "-I", "-S", espeak.__file__,
            parts.espeak, parts.espeak_data, speaker, _WORDS_PER_MINUTE, syllable,
        ],
        capture_output=True,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        told = lines[-1] if lines else f"exit status {done.returncode}"
        raise DatasetError(f"espeak-ng ({parts.espeak}) cannot say {syllable!r}: {told}")
    head, _, said = done.stdout.partition(b"\n")
    rate, version = head.decode().split(maxsplit=1)
    return int(rate), version, np.frombuffer(said, dtype=np.int16)


def _spoken(parts: Parts, speaker: str, syllable: str) -> NDArray[np.float64]:
    """Return a syllable as espeak-ng says it, without silence around it."""
    rate, _, said = _said(parts, speaker, syllable)
    if rate != SAMPLE_RATE:
        raise DatasetError(f"espeak-ng voice {speaker} speaks at {rate} Hz, not {SAMPLE_RATE} Hz")
    samples = said / 2**15
    loud = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if not loud.size:
        raise DatasetError(f"espeak-ng voice {speaker} says nothing for {syllable!r}")
    spoken = samples[loud[0] : loud[-1] + 1]
    return np.ascontiguousarray(spoken / np.sqrt(np.mean(spoken**2)))


def _taken_apart(
    world: Any,  # noqa: ANN401
    samples: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the envelopes, the aperiodicity and the voicing of a syllable's frames."""
    coarse, times = world.dio(
        samples, SAMPLE_RATE, f0_floor=_SPOKEN_LOWEST, f0_ceil=_SPOKEN_HIGHEST,
        frame_period=_FRAME_SECONDS * 1000,
    )  # fmt: skip
    f0 = world.stonemask(samples, coarse, times, SAMPLE_RATE)
    envelope = world.cheaptrick(samples, f0, times, SAMPLE_RATE)
    return envelope, world.d4c(samples, f0, times, SAMPLE_RATE), f0 > 0


def _laid_out(
    notes: tuple[Note, ...], voices: Voices, speaker: str, frames: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which of the voices' frames each frame is (-1: silence), and how loud it is."""
    source = np.full(frames, -1)
    loudness = np.zeros(frames)
    begins = [round(note.start / _FRAME_SECONDS) for note in notes]
    for note, begin, following in zip(notes, begins, [*begins[1:], frames]):
        end = min(round(note.end / _FRAME_SECONDS), following, frames)
        length = end - begin
        if length < 2:
            continue
        first, last = voices.spans[speaker, str(rng.choice(voices.syllables))]
        spoken = last - first
        consonant = min(int(_VOWEL_BEGINS * spoken), length // 2)
        vowel = np.linspace(consonant, int(_VOWEL_ENDS * spoken), length - consonant)
        source[begin:end] = first + np.r_[np.arange(consonant), vowel.astype(int)]
        level = np.full(length, 10 ** ((note.velocity - 100) / 60))
        fade = min(_FADE_FRAMES, length // 2)
        level[:fade] *= np.linspace(0.1, 1, fade)
        level[length - fade :] *= np.linspace(1, 0.1, fade)
        loudness[begin:end] = level
    return source, loudness


def _pitch(notes: tuple[Note, ...], frames: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the pitch in MIDI keys at each frame: glides, a vibrato that sets in, some drift."""
    rate, depth = rng.uniform(4.8, 6.4), rng.uniform(0.0, 0.45)
    glide = rng.uniform(0.01, 0.05)
    times = np.arange(frames) * _FRAME_SECONDS
    pitch = np.full(frames, float(notes[0].key))
    previous = pitch[0] - rng.uniform(0, 1.5)
    for note in notes:
        since = times - note.start
        sounds = since >= 0
        arriving = note.key + (previous - note.key) * np.exp(-since[sounds] / glide)
        vibrato = depth * np.clip((since[sounds] - 0.2) / 0.25, 0, 1)
        pitch[sounds] = arriving + vibrato * np.sin(2 * np.pi * rate * since[sounds])
        previous = float(note.key)
    drift = np.interp(times, np.linspace(0, times[-1], 17), rng.normal(0, 0.05, 17))
    return np.asarray(pitch + drift)


def _stretched(envelopes: NDArray[np.float32], factor: float) -> NDArray[np.float64]:
    """Return envelopes whose formants are moved by a factor, as by another vocal tract."""
    bins = np.arange(envelopes.shape[1]) / factor
    low = np.minimum(bins.astype(int), envelopes.shape[1] - 2)
    part = np.minimum(bins - low, 1.0)
    spectrum = envelopes.astype(np.float64)
    return np.asarray(spectrum[:, low] * (1 - part) + spectrum[:, low + 1] * part)
