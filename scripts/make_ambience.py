"""Render the bar ambience that `EnvironmentalNoise` uses where no recording is given.

Eight tables of three synthetic talkers each (espeak-ng) hold conversations in a synthetic room;
glasses clink, a table laughs now and then, and every table grows louder and quieter by itself.
All of it is laid out on a circle of the recording's length, sources, reverberation and noise
alike, so that the end runs into the start and the result loops without a seam or a crossfade.

Run it as ``python scripts/make_ambience.py --out pytest_nnrel/data/ambience.ogg``.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyloudnorm
import soundfile
from scipy import fft, signal

if TYPE_CHECKING:
    from collections.abc import Callable

Samples = npt.NDArray[np.float64]

#: Twice the rate of the bundled corpus: encoders with higher rates get something above 11 kHz.
SAMPLE_RATE = 44_100
#: Three times the 4 s of a corpus clip, so that random crops differ; short enough to ship.
SECONDS = 12.0
#: Below it the reverberation and the longest sentences would wrap more than once.
MIN_SECONDS = 6.0
#: Programme level of EBU R 128; the peaks of the clinks fit below full scale at it.
LOUDNESS_LUFS = -23.0
#: Headroom for decoders and resamplers, which overshoot.
MAX_PEAK_DB = -1.0
#: libsndfile's Vorbis quality is one minus this; at 0.7 the encoder keeps what is above 16 kHz.
VORBIS_COMPRESSION = 0.3
#: libsndfile's Vorbis encoder can overflow its stack when it is given a long signal in one call.
BLOCK_FRAMES = 4096

#: Time from the end of one turn to the next, mean and deviation: people fall into one another's
#: words about as often as they pause.
TURN_GAP_SECONDS = (0.10, 0.35)
#: Deviation of the level of single sentences around their talker's.
SENTENCE_DEVIATION_DB = 2.5
#: Tables' slow swells: deviation, and the fastest of their components.
SWELL_DEVIATION_DB = 3.0
SWELL_MAX_HZ = 0.7
#: Laughter: how often some table laughs, how much louder than its talk, and what is spoken for it
#: at which speed (words a minute) and how much higher (espeak-ng's pitch, 0 to 99).
LAUGHTERS_PER_SECOND = 0.33
LAUGHTER_GAIN_DB = 5.0
LAUGHTER_TEXT = "ha ha ha ha ha ha ha"
LAUGHTER_SPEED = 230
LAUGHTER_PITCH = 22
#: People of a table start to laugh within this time of one another.
LAUGHTER_SPREAD_SECONDS = 0.35

#: Distance of the nearest and the farthest table; those between are spaced by equal ratios.
TABLE_METRES = (1.1, 9.0)
#: Where direct and reverberant sound are equally strong. Sabine's 0.057 sqrt(Q V / T) gives it for
#: a room of 180 m3, the reverberation below and talkers who radiate forwards (Q = 2.5).
CRITICAL_METRES = 1.5
#: Reverberation time (60 dB) up to each edge in Hz: furniture, people and air take the treble.
REVERBERATION = ((500.0, 0.80), (4_000.0, 0.65), (math.inf, 0.35))
#: First reflections: number, and the times between which they arrive (detours of 1.4 to 17 m).
REFLECTIONS = 10
REFLECTION_SECONDS = (0.004, 0.050)
#: Loss of the earliest possible reflection, and more per second for the later ones, which have met
#: more surfaces and come farther.
REFLECTION_LOSS_DB = (5.0, 160.0)

#: Clinks, a second; they come in twos and threes, hence irregularly.
CLINKS_PER_SECOND = 0.9
CLINK_REPEATS = (0.6, 0.3, 0.1)
#: Lowest partial of a glass: from a pint to a small wine glass.
GLASS_HZ = (1_300.0, 3_400.0)
#: Bending modes of a cylinder, relative to the lowest: they grow with about the square of the
#: order, which is not harmonic.
GLASS_PARTIALS = (1.0, 2.32, 4.25, 6.63, 9.38)
#: Time in which a partial of 1 kHz loses 60 dB, from a full glass held in the hand to an empty
#: one; it shortens with the square root of the frequency.
GLASS_DECAY_SECONDS = (0.12, 0.9)
#: Peak of a clink over the root mean square of the talk, at the nearest table.
CLINK_LEVEL_DB = (2.0, 13.0)

#: Room tone (ventilation, refrigerators) under the talk; it falls by some 4.5 dB per octave.
ROOM_TONE_DB = -32.0
ROOM_TONE_EXPONENT = -0.75
ROOM_TONE_MIN_HZ = 40.0
#: espeak-ng fades out at 10 kHz. Above, every voice goes on as noise that follows the level of its
#: sibilants, measured in this band over this time; the noise falls by 12 dB an octave.
SIBILANTS_HZ = (6_000.0, 9_500.0)
SIBILANTS_SECONDS = 0.008

#: Frames over which the fluctuation of the level is measured.
FRAME_SECONDS = 0.05
#: Centres of the octave bands of the report.
OCTAVES_HZ = (63, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)


@dataclass(frozen=True)
class Talker:
    """One voice and what it says.

    Attributes
    ----------
    voice : str
        espeak-ng's language and variant.
    speed : int
        Words a minute.
    pitch : int
        espeak-ng's, 0 to 99.
    sentences : tuple of str
        Spoken in turn, from the first again when all are said.
    """

    voice: str
    speed: int
    pitch: int
    sentences: tuple[str, ...]


#: Who sits together. Each table has one language, and no two talkers have the same voice. Voices go
#: by the names of espeak-ng's files (en, fr): it drops the variant from aliases (en-gb, fr-fr).
TABLES: tuple[tuple[Talker, ...], ...] = (
    (
        Talker("en+m3", 178, 42, (
            "So I told him, the van is yours, but the dog stays with me.",
            "No, honestly, he took the spare wheel as well!",
            "Whose round is it, anyway?",
        )),
        Talker("en+f2", 186, 58, (
            "You did not say that to your own brother!",
            "Same again for me, and no ice this time.",
            "Well, I would have kept the van and sold the wheel.",
        )),
        Talker("en-gb-scotland+m7", 170, 35, (
            "It's my round, sit down, I've got it.",
            "That dog has eaten two of my shoes, and both of them left ones.",
            "Anybody want crisps while I'm up there?",
        )),
    ),
    (
        Talker("en-us+Andrea", 192, 60, (
            "They moved the whole office to the fourth floor over a weekend.",
            "And nobody remembered to bring the coffee machine, can you believe it?",
            "I'm fine, I've still got half of mine.",
        )),
        Talker("en-us+m1", 174, 30, (
            "Wait, wait, the big grey one by the window?",
            "I'd have gone home and called in sick.",
            "Are we ordering food, or is the kitchen closed?",
        )),
        Talker("en-us-nyc+m5", 198, 48, (
            "Kitchen's open till ten, get the fries.",
            "Ours broke in March, and we still drink tea.",
            "Move over a little, she wants to sit down.",
        )),
    ),
    (
        Talker("de+m4", 176, 38, (
            "Der letzte Zug fährt um halb zwölf, wir haben noch Zeit.",
            "Nein, die Rechnung teilen wir durch drei.",
            "Der Keller stand schon wieder unter Wasser.",
        )),
        Talker("de+f3", 188, 62, (
            "Das sagst du jedes Mal, und dann laufen wir nach Hause.",
            "Bringst du mir noch ein kleines Helles mit?",
            "Hast du die neuen Nachbarn schon gesehen?",
        )),
        Talker("de+Denis", 168, 45, (
            "Ich nehme die Suppe, die war beim letzten Mal richtig gut.",
            "Ach komm, einmal laufen schadet doch keinem!",
            "Wer hat denn das Fenster aufgemacht?",
        )),
    ),
    (
        Talker("en-gb-x-rp+f4", 172, 55, (
            "The rain came straight through the tent at four in the morning.",
            "We packed everything into the car and slept in a lay-by.",
            "Oh, never again, next year it's a hotel.",
        )),
        Talker("en-gb-x-gbclan+m6", 182, 40, (
            "I did warn you about that field, didn't I?",
            "Is this seat taken, or can we have it?",
            "Two pints and a lemonade, that's all I heard.",
        )),
        Talker("en-gb-x-gbcwmd+linda", 190, 66, (
            "She still says it was the best holiday they ever had!",
            "Mind your elbow, you nearly had my glass over.",
            "Tell them about the cow, go on.",
        )),
    ),
    (
        Talker("fr+f1", 190, 57, (
            "On se retrouve devant la gare, comme d'habitude.",
            "Tu as goûté leur tarte aux poires ?",
            "Elle a encore oublié ses clés chez le coiffeur !",
        )),
        Talker("fr+m2", 182, 36, (
            "Non, ce soir c'est moi qui paie.",
            "Il pleuvait tellement qu'on a poussé la voiture jusqu'au village.",
            "Attends, je te sers encore un verre.",
        )),
        Talker("fr-be+Michael", 176, 44, (
            "Le match commence dans dix minutes, assieds-toi.",
            "Franchement, je préfère la bière de l'autre café.",
            "Et alors, qu'est-ce qu'il a répondu ?",
        )),
    ),
    (
        Talker("es+m8", 196, 40, (
            "Oye, ponme otra caña cuando puedas.",
            "El jefe llegó tarde y encima se enfadó con nosotros.",
            "Mañana no madrugo, así que me quedo.",
        )),
        Talker("es+f5", 204, 60, (
            "¡Pero si tú dijiste que venías en autobús!",
            "Las aceitunas están buenísimas, pruébalas.",
            "Mi abuela hace ese arroz mucho mejor.",
        )),
        Talker("es-419+Annie", 186, 52, (
            "¿Dónde dejaste el paraguas que te presté?",
            "No me lo creo, cuéntalo otra vez.",
            "Pásame las servilletas, por favor.",
        )),
    ),
    (
        Talker("en-us+steph", 184, 63, (
            "My landlord painted the hallway green, like a pond.",
            "Then the cat walked through it, all the way to the roof.",
            "Hold this for a second, I can't find my phone.",
        )),
        Talker("en-029+Alex", 166, 39, (
            "Turn around, it's in your back pocket.",
            "Green is good for you, man, leave it alone.",
            "They play live music here on Thursdays.",
        )),
        Talker("en+adam", 180, 33, (
            "Nobody told me there was a quiz tonight.",
            "It's eleven, I'm almost sure that it's eleven.",
            "What was the name of that bloke with the tuba?",
        )),
    ),
    (
        Talker("it+belinda", 194, 59, (
            "Guarda che il treno delle nove non c'è più.",
            "Ho lasciato la bicicletta sotto la pioggia tutta la notte.",
            "Ma dai, non ci credo nemmeno se lo vedo!",
        )),
        Talker("it+Marco", 186, 41, (
            "Allora prendiamo quello dopo, che fretta c'è?",
            "Il pane lo fanno loro, si sente.",
            "Un altro bicchiere e poi andiamo davvero.",
        )),
        Talker("it+Mario", 178, 47, (
            "Mio cugino ha comprato una barca, ma soffre il mare.",
            "Chi ha ordinato le olive?",
            "Parla più forte, qui non si capisce niente.",
        )),
    ),
)  # fmt: skip


def db_to_gain(decibels: float) -> float:
    """Convert a level difference to a factor of amplitude."""
    return float(10.0 ** (decibels / 20.0))


def rms(samples: Samples) -> float:
    """Return the root mean square of ``float64[n]``."""
    return math.sqrt(float(np.mean(np.square(samples))))


def require_espeak() -> str:
    """Return the path of espeak-ng.

    Raises
    ------
    SystemExit
        If it is not installed; the message names the Debian package.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise SystemExit(
            "make_ambience.py: espeak-ng is not installed, and it speaks the voices; on Debian and"
            " Ubuntu: apt-get install espeak-ng"
        )
    return program


def speak(
    program: str, voice: str, text: str, rng: np.random.Generator, *, speed: int, pitch: int
) -> Samples:
    """Let espeak-ng speak a text.

    Parameters
    ----------
    program : str
        Path of espeak-ng.
    voice : str
        Language and variant.
    text : str
    rng : numpy.random.Generator
        For what is added above espeak-ng's treble; its speech draws nothing.
    speed : int
        Words a minute.
    pitch : int
        0 to 99.

    Returns
    -------
    float64[n]
        At `SAMPLE_RATE`, silence trimmed, root mean square 1.

    Raises
    ------
    SystemExit
        If espeak-ng does not know the voice or fails in another way.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        command = [program, "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(path)]
        done = subprocess.run(
            [*command, "--stdin"], input=text.encode(), capture_output=True, check=False
        )
        if done.returncode or not path.exists():
            raise SystemExit(
                f"make_ambience.py: espeak-ng failed for voice {voice!r}: {done.stderr.decode()}"
            )
        spoken, rate = soundfile.read(str(path), dtype="float64")
    audible = np.flatnonzero(np.abs(spoken) > 0.01 * np.abs(spoken).max())
    spoken = spoken[audible[0] : audible[-1] + 1]
    divisor = math.gcd(SAMPLE_RATE, rate)
    spoken = add_air(signal.resample_poly(spoken, SAMPLE_RATE // divisor, rate // divisor), rng)
    return np.asarray(spoken / rms(spoken))


def add_air(voice: Samples, rng: np.random.Generator) -> Samples:
    """Extend a voice beyond `SIBILANTS_HZ` with noise at the level that it has within."""
    low, high = SIBILANTS_HZ
    within = signal.butter(4, SIBILANTS_HZ, "bandpass", fs=SAMPLE_RATE, output="sos")
    size = round(SIBILANTS_SECONDS * SAMPLE_RATE)
    power = signal.convolve(
        np.square(signal.sosfilt(within, voice)), signal.windows.hann(size), mode="same"
    )
    envelope = np.sqrt(np.maximum(power, 0.0) / (0.5 * size))
    to_density_of_band = math.sqrt(0.5 * SAMPLE_RATE / (high - low))
    above = signal.butter(4, high, "highpass", fs=SAMPLE_RATE, output="sos")
    slope = signal.butter(2, high, "lowpass", fs=SAMPLE_RATE, output="sos")
    noise = to_density_of_band * envelope * rng.standard_normal(len(voice))
    return np.asarray(voice + signal.sosfilt(slope, signal.sosfilt(above, noise)))


def add_at(circle: Samples, sound: Samples, onset: float) -> None:
    """Add a sound to a circle from `onset` seconds on; what passes the end goes on at the start."""
    first = round(onset * SAMPLE_RATE)
    np.add.at(circle, np.arange(first, first + len(sound)) % len(circle), sound)


def convolve_circle(circle: Samples, response: Samples) -> Samples:
    """Convolve ``float64[n]`` circularly with a response of at most `n` samples."""
    spectrum = fft.rfft(circle) * fft.rfft(response, len(circle))
    return np.asarray(fft.irfft(spectrum, len(circle)))


def noise_circle(
    rng: np.random.Generator, length: int, weight: Callable[[Samples], Samples]
) -> Samples:
    """Return periodic Gaussian noise of root mean square 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
    weight : callable
        From frequencies in Hz, 0 excluded, to factors of amplitude.

    Returns
    -------
    float64[length]
    """
    spectrum = fft.rfft(rng.standard_normal(length))
    spectrum[0] = 0.0
    spectrum[1:] *= weight(fft.rfftfreq(length, 1.0 / SAMPLE_RATE)[1:])
    noise = np.asarray(fft.irfft(spectrum, length))
    return noise / rms(noise)


def swell(rng: np.random.Generator, length: int) -> Samples:
    """Return a slow periodic gain, ``float64[length]``, for a table."""
    slow = noise_circle(rng, length, lambda hertz: (hertz <= SWELL_MAX_HZ).astype(np.float64))
    return np.asarray(10.0 ** (SWELL_DEVIATION_DB * slow / 20.0))


def early_response(rng: np.random.Generator) -> Samples:
    """Return a table's direct sound, 1 at time 0, and its first reflections."""
    arrivals = np.sort(rng.uniform(*REFLECTION_SECONDS, REFLECTIONS))
    loss, loss_per_second = REFLECTION_LOSS_DB
    response = np.zeros(round(REFLECTION_SECONDS[1] * SAMPLE_RATE) + 1)
    response[0] = 1.0
    for arrival in arrivals:
        sign = rng.choice((-1.0, 1.0))
        level = db_to_gain(-loss - loss_per_second * (arrival - REFLECTION_SECONDS[0]))
        response[round(arrival * SAMPLE_RATE)] += sign * level
    return response


def late_response(rng: np.random.Generator) -> Samples:
    """Return the room's reverberation: noise that decays the faster the higher, of energy 1."""
    longest = max(seconds for _, seconds in REVERBERATION)
    time = np.arange(round(longest * SAMPLE_RATE)) / SAMPLE_RATE
    rest = rng.standard_normal(len(time))
    response = np.zeros(len(time))
    for edge, seconds in REVERBERATION:
        band = rest
        if edge < math.inf:
            band = signal.sosfiltfilt(
                signal.butter(2, edge, "lowpass", fs=SAMPLE_RATE, output="sos"), rest
            )
        response += band * 10.0 ** (-3.0 * time / seconds)
        rest = rest - band
    rise = np.minimum(1.0, time / REFLECTION_SECONDS[1])  # the reflections take its first part
    response *= rise
    return np.asarray(response / np.linalg.norm(response))


def converse(
    program: str, table: tuple[Talker, ...], rng: np.random.Generator, length: int
) -> Samples:
    """Let a table talk in turns around the circle, ``float64[length]``."""
    circle = np.zeros(length)
    seconds = length / SAMPLE_RATE
    start = now = float(rng.uniform(0.0, seconds))
    turns = cycle((talker, i) for i in range(len(table[0].sentences)) for talker in table)
    while now < start + seconds:
        talker, i = next(turns)
        sentence = speak(
            program, talker.voice, talker.sentences[i], rng, speed=talker.speed, pitch=talker.pitch
        )
        level = db_to_gain(rng.normal(0.0, SENTENCE_DEVIATION_DB))
        add_at(circle, level * sentence, now)
        now += len(sentence) / SAMPLE_RATE + max(-0.5, rng.normal(*TURN_GAP_SECONDS))
    return circle


def laugh(program: str, table: tuple[Talker, ...], rng: np.random.Generator) -> Samples:
    """Return a burst of laughter of a whole table, dying away."""
    voices = [
        speak(
            program,
            talker.voice,
            LAUGHTER_TEXT,
            rng,
            speed=LAUGHTER_SPEED + int(rng.integers(-40, 41)),
            pitch=min(99, talker.pitch + LAUGHTER_PITCH + int(rng.integers(-8, 9))),
        )
        for talker in table
    ]
    onsets = rng.uniform(0.0, LAUGHTER_SPREAD_SECONDS, len(voices))
    starts = np.round(onsets * SAMPLE_RATE).astype(int)
    burst = np.zeros(max(start + len(voice) for start, voice in zip(starts, voices, strict=True)))
    for start, voice in zip(starts, voices, strict=True):
        fading = np.linspace(1.0, 0.25, len(voice))
        burst[start : start + len(voice)] += fading * voice
    return db_to_gain(LAUGHTER_GAIN_DB) * burst


def clink(rng: np.random.Generator) -> Samples:
    """Return two glasses that meet, of peak 1: decaying inharmonic partials and the knock."""
    time = np.arange(round(GLASS_DECAY_SECONDS[1] * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros(len(time))
    for _ in range(2):
        lowest = math.exp(rng.uniform(*np.log(GLASS_HZ)))
        decay = math.exp(rng.uniform(*np.log(GLASS_DECAY_SECONDS)))
        for order, ratio in enumerate(GLASS_PARTIALS):
            hertz = lowest * ratio * rng.uniform(0.98, 1.02)  # no glass is a perfect cylinder
            if hertz > 0.45 * SAMPLE_RATE:
                continue
            amplitude = rng.uniform(0.3, 1.0) / (1.0 + 0.5 * order)
            envelope = 10.0 ** (-3.0 * time / (decay / math.sqrt(hertz / 1_000.0)))
            phase = rng.uniform(0.0, 2.0 * math.pi)
            sound += amplitude * envelope * np.sin(2.0 * math.pi * hertz * time + phase)
    knock = rng.standard_normal(len(time)) * np.exp(-time / 0.0012)
    sound += 0.6 * signal.lfilter([1.0, -0.9], [1.0], knock)
    sound *= np.minimum(1.0, time / 0.0003)  # contact lasts a moment: no step at the onset
    return np.asarray(sound / np.abs(sound).max())


def clinks(rng: np.random.Generator, length: int) -> Samples:
    """Return the clinks of one table around the circle, ``float64[length]``."""
    circle = np.zeros(length)
    seconds = length / SAMPLE_RATE
    mean_size = float(np.dot(CLINK_REPEATS, np.arange(1, len(CLINK_REPEATS) + 1)))
    for _ in range(rng.poisson(CLINKS_PER_SECOND / len(TABLES) / mean_size * seconds)):
        now = rng.uniform(0.0, seconds)
        for _ in range(1 + int(rng.choice(len(CLINK_REPEATS), p=CLINK_REPEATS))):
            add_at(circle, db_to_gain(rng.uniform(*CLINK_LEVEL_DB)) * clink(rng), now)
            now += rng.uniform(0.08, 0.45)
    return circle


def render(program: str, *, seed: int, seconds: float) -> Samples:
    """Render the ambience.

    Parameters
    ----------
    program : str
        Path of espeak-ng.
    seed : int
        Of everything that is drawn.
    seconds : float
        Length of the loop.

    Returns
    -------
    float64[n]
        At `SAMPLE_RATE`, of loudness `LOUDNESS_LUFS`.

    Raises
    ------
    SystemExit
        If a peak exceeds `MAX_PEAK_DB`.
    """
    rng = np.random.default_rng(seed)
    length = round(seconds * SAMPLE_RATE)
    distances = rng.permutation(np.geomspace(*TABLE_METRES, len(TABLES)))
    direct = np.zeros(length)
    reverberant = np.zeros(length)
    # No table laughs twice before all have, near or far.
    laughters = max(1, round(LAUGHTERS_PER_SECOND * seconds))
    laughing = np.resize(rng.permutation(len(TABLES)), laughters)
    onsets = (np.arange(laughters) + rng.uniform(0.1, 0.9, laughters)) * seconds / laughters
    for i, (table, metres) in enumerate(zip(TABLES, distances, strict=True)):
        voices = converse(program, table, rng, length)
        for onset in onsets[laughing == i]:
            add_at(voices, laugh(program, table, rng), float(onset))
        sounds = voices * swell(rng, length) + clinks(rng, length)
        direct += convolve_circle(sounds, early_response(rng)) / metres
        reverberant += sounds / CRITICAL_METRES
    room = direct + convolve_circle(reverberant, late_response(rng))
    tone = noise_circle(
        rng,
        length,
        lambda hertz: (
            np.maximum(hertz, ROOM_TONE_MIN_HZ) ** ROOM_TONE_EXPONENT * (hertz > ROOM_TONE_MIN_HZ)
        ),
    )
    room += db_to_gain(ROOM_TONE_DB) * rms(room) * tone
    room *= db_to_gain(LOUDNESS_LUFS - loudness(room))
    peak = 20.0 * math.log10(np.abs(room).max())
    if peak > MAX_PEAK_DB:
        raise SystemExit(
            f"make_ambience.py: seed {seed} peaks at {peak:.1f} dBFS, above {MAX_PEAK_DB:g};"
            " take another"
        )
    return room


def loudness(samples: Samples) -> float:
    """Return the integrated loudness of ``float64[n]`` at `SAMPLE_RATE` in LUFS (BS.1770-4)."""
    return float(pyloudnorm.Meter(SAMPLE_RATE, filter_class="DeMan").integrated_loudness(samples))


def write(path: Path, samples: Samples) -> None:
    """Encode ``float64[n]`` as Ogg Vorbis, block by block."""
    with soundfile.SoundFile(
        str(path),
        "w",
        samplerate=SAMPLE_RATE,
        channels=1,
        format="OGG",
        subtype="VORBIS",
        compression_level=VORBIS_COMPRESSION,
    ) as file:
        for first in range(0, len(samples), BLOCK_FRAMES):
            file.write(samples[first : first + BLOCK_FRAMES].astype(np.float32))


def frame_deviation(samples: Samples) -> float:
    """Return the standard deviation of the level of 50-ms frames of ``float64[n]`` in dB."""
    size = round(FRAME_SECONDS * SAMPLE_RATE)
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    return float(np.std(10.0 * np.log10(np.mean(np.square(frames), axis=1))))


def octave_levels(samples: Samples) -> list[float]:
    """Return the level of each octave band of `OCTAVES_HZ` over the whole's in dB."""
    power = np.square(np.abs(fft.rfft(samples)))
    hertz = fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
    return [
        10.0
        * math.log10(
            power[(hertz >= centre / math.sqrt(2)) & (hertz < centre * math.sqrt(2))].sum()
            / power.sum()
        )
        for centre in OCTAVES_HZ
    ]


def seam_ratio(samples: Samples) -> float:
    """Compare the bend of the waveform across the loop point with those around it.

    Parameters
    ----------
    samples : float64[n]

    Returns
    -------
    float
        The greater second difference across the loop point, over the root mean square of those
        within one frame before and after it. Up to 3 or so is the waveform's own course; a click
        is far above.
    """
    size = round(FRAME_SECONDS * SAMPLE_RATE)
    bends = np.diff(np.concatenate((samples[-size:], samples[:size])), 2)
    return float(np.abs(bends[size - 2 : size]).max() / rms(bends))


def describe(path: Path) -> str:
    """Return the figures of a rendered file, as decoded."""
    samples, rate = soundfile.read(str(path), dtype="float64")
    octaves = ", ".join(
        f"{centre} Hz {level:.1f}"
        for centre, level in zip(OCTAVES_HZ, octave_levels(samples), strict=True)
    )
    return "\n".join(
        (
            f"length            {len(samples) / rate:.3f} s at {rate} Hz, mono",
            f"loudness          {loudness(samples):.2f} LUFS",
            f"peak              {20.0 * math.log10(np.abs(samples).max()):.2f} dBFS",
            f"level of frames   standard deviation {frame_deviation(samples):.2f} dB (50 ms)",
            f"loop point        bend {seam_ratio(samples):.2f} times those around it",
            f"octave bands      {octaves} (dB of the whole)",
        )
    )


def main() -> None:
    """Render, write and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("ambience.ogg"), help="Ogg Vorbis file")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of the loop")
    arguments = parser.parse_args()
    if not MIN_SECONDS <= arguments.seconds < math.inf:
        parser.error(f"--seconds must be {MIN_SECONDS:g} or more")
    program = require_espeak()
    samples = render(program, seed=arguments.seed, seconds=arguments.seconds)
    write(arguments.out, samples)
    version = subprocess.run([program, "--version"], capture_output=True, check=True, text=True)
    print(version.stdout.partition("  Data")[0].strip())
    print(describe(arguments.out))
    print(f"samples' SHA-256  {hashlib.sha256(samples.tobytes()).hexdigest()} (before encoding)")


if __name__ == "__main__":
    main()
