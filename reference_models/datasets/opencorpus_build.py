"""Building of the open corpus: side by side, going on where it was interrupted."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from joblib import parallel_config

from pytest_nnrel.runtime.files import replace_text
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.tasks import run_tasks
from pytest_nnrel.runtime.versions import library_version
from reference_models.datasets import recorded as recorded_music
from reference_models.datasets.opencorpus import (
    FORMAT,
    MANIFEST,
    UNFINISHED,
    Entry,
    Stored,
    is_there,
    made_with,
    manifest,
    parsed,
    stored_entries,
)
from reference_models.datasets.recorded import sha256
from reference_models.datasets.rendered import clips as rendered
from reference_models.datasets.rendered import parts as rendering
from reference_models.datasets.rendered import synthesis, voices
from reference_models.datasets.rendered.fluidsynth import FluidSynth
from reference_models.datasets.rendered.tags import SAMPLE_RATE
from reference_models.errors import DatasetError
from reference_models.plain import read_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

#: Counts whenever other sounds or tags are made of the same seed.
EDITION = 1
TRAINING_CLIPS = 8000
#: Clips of a part, as a part of those to train on.
_SHARES = {"train": 1.0, "validation": 1 / 8, "test": 1 / 8, "test-font": 1 / 16}
#: Clips that are rendered in one go, and lost when a build is interrupted.
_BLOCK = 100
_SETTINGS = "settings.json"
_LIBRARIES = ("numpy", "pedalboard", "pyworld-prebuilt", "soundfile", "soxr")
#: What an empty folder's corpus is rendered with, unless told.
_PARTS = "wheels"


def build(
    out: Path,
    *,
    recorded: Path | None = None,
    clips: int = TRAINING_CLIPS,
    seed: int = 0,
    jobs: int = -1,
    parts: str | None = None,
    soundfonts: Path | None = None,
) -> list[Entry]:
    """Build the corpus, or what is not there yet of it.

    Parameters
    ----------
    out : Path
        Gets the folders ``rendered`` and ``recorded``, and the manifest, last.
    recorded : Path, optional
        A collection of `recorded.collect`; without it there is rendered music only.
    clips : int
        Rendered clips to train on; an eighth as many to validate and to test with, a sixteenth
        as many through the held-out SoundFont.
    seed : int
        Of all scores.
    jobs : int
        Processes, see `joblib.Parallel`.
    parts : {"wheels", "debian"}, optional
        Where FluidSynth, espeak-ng and, unless they are named, SoundFonts come from. Where omitted,
        from where those of the corpus in `out` came; of a new one, from wheels.
    soundfonts : Path, optional
        The folder that Debian's SoundFonts are in, or in folders below it. Where omitted, that of
        Debian, or with ``wheels`` the SoundFont that comes in a wheel: it is the only one, so
        that there is no part ``test-font``.

    Returns
    -------
    list of Entry
        Ordered by id.

    Raises
    ------
    DatasetError
        If something is not installed, the collection is not whole, or `out` holds another corpus
        or something else.

    Notes
    -----
    The same arguments give the same bytes, with the same versions on the same kind of machine,
    whatever `jobs` is. A build that was interrupted goes on where it was.
    """
    if clips < 1 or seed < 0:
        raise DatasetError(f"clips must be 1 or more and the seed 0 or more, not {clips}, {seed}")
    tracks = [] if recorded is None else recorded_music.load(recorded)
    found = rendering.find(parts or _begun_with(out) or _PARTS, soundfonts=soundfonts)
    done = _begin(out, _settings(clips, seed, found, recorded, tracks))
    scores = [
        block for block in _score_blocks(clips, found) if not _intact(out, done.get(block.name))
    ]
    cuts = [block for block in map(_TrackBlock, tracks) if not _intact(out, done.get(block.name))]
    sung = voices.Voices.speak(found) if scores else None
    work = partial(_work, _Workshop(out, seed, found, sung, recorded))
    missing: list[_ScoreBlock | _TrackBlock] = [*scores, *cuts]
    with parallel_config(backend="loky"):
        for name, entries in run_tasks(
            work, missing, jobs=jobs, ordered=False,
            progress=lambda items, total: progress(items, total, "open corpus"),
        ):  # fmt: skip
            done[name] = entries
    return _finish(out, done)


@dataclass(frozen=True)
class _ScoreBlock:
    """Rendered clips of a part, from one number up to another."""

    part: str
    first: int
    end: int

    @property
    def name(self) -> str:
        return f"rendered-{self.part}-{self.first:06d}"

    def entries(self, workshop: _Workshop) -> Iterator[Entry]:
        """Render the clips."""
        if workshop.voices is None:
            raise ValueError("no voices to sing with")
        parts = workshop.parts
        fonts = parts.held_out if self.part == rendered.HELD_OUT_PART else parts.soundfonts
        with ExitStack() as stack:
            synthesisers = {
                name: stack.enter_context(
                    synthesis.Synthesiser(path, parts.fluidsynth, SAMPLE_RATE)
                )
                for name, path in fonts.items()
            }
            for index in range(self.first, self.end):
                clip = rendered.render_clip(
                    workshop.seed, self.part, index, synthesisers, workshop.voices
                )
                place = f"rendered/{self.part}/{index:06d}"
                name = f"{self.part}-{index:06d}"
                yield Entry(
                    name, self.part, self.name, name,
                    workshop.store(clip.mixture, f"{place}.flac"),
                    None if clip.voice is None
                    else workshop.store(clip.voice, f"{place}.voice.flac"),
                    clip.instrument, clip.tags, {"index": index, **clip.facts},
                )  # fmt: skip


@dataclass(frozen=True)
class _TrackBlock:
    """Clips of a recorded track."""

    track: recorded_music.Track

    @property
    def name(self) -> str:
        return f"recorded-{self.track.sha256[:16]}"

    def entries(self, workshop: _Workshop) -> Iterator[Entry]:
        """Cut the clips."""
        track = self.track
        if workshop.recorded is None:
            raise ValueError("no collection to cut from")
        for start, samples in recorded_music.cuts(workshop.recorded, track, SAMPLE_RATE):
            name = f"{track.package}-{track.sha256[:8]}-{round(start):04d}"
            yield Entry(
                name, track.part, self.name, track.path,
                workshop.store(samples, f"recorded/{track.part}/{name}.flac"),
                None, None, (), {"track": track.path, "start": start},
            )  # fmt: skip


@dataclass(frozen=True)
class _Workshop:
    """What clips are made with, and where they go."""

    out: Path
    seed: int
    parts: rendering.Parts
    voices: voices.Voices | None
    recorded: Path | None

    def store(self, samples: NDArray[np.float32], path: str) -> Stored:
        """Write a clip as 16-bit FLAC, whole or not at all."""
        import soundfile

        buffer = io.BytesIO()
        soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        content = buffer.getvalue()
        target = self.out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(UNFINISHED)
        unfinished.write_bytes(content)
        unfinished.replace(target)
        return Stored(path, len(content), hashlib.sha256(content).hexdigest())


def _work(workshop: _Workshop, block: _ScoreBlock | _TrackBlock) -> tuple[str, list[Entry]]:
    """Make a block, and write down that it is made."""
    entries = list(block.entries(workshop))
    text = json.dumps([asdict(entry) for entry in entries], ensure_ascii=False)
    replace_text(workshop.out / UNFINISHED / f"{block.name}.json", text)
    return block.name, entries


def _score_blocks(clips: int, parts: rendering.Parts) -> Iterator[_ScoreBlock]:
    """Yield the blocks of rendered clips."""
    for part, share in _SHARES.items():
        if part == rendered.HELD_OUT_PART and not parts.held_out:
            continue
        count = max(1, round(clips * share))
        for first in range(0, count, _BLOCK):
            yield _ScoreBlock(part, first, min(first + _BLOCK, count))


def _settings(
    clips: int,
    seed: int,
    parts: rendering.Parts,
    recorded: Path | None,
    tracks: Sequence[recorded_music.Track],
) -> dict[str, Any]:
    """Return all that the corpus depends on."""
    listing = [[track.path, track.sha256, track.part] for track in tracks]
    collection = {"tracks": len(tracks), "digest": digest(listing)}
    return {
        "format": FORMAT,
        "edition": EDITION,
        "seed": seed,
        "clips": clips,
        "recorded music": None if recorded is None else collection,
        "parts": parts.source,
        "soundfonts": {
            name: {"package": parts.packages[name], "file": path.name, "sha256": sha256(path)}
            for name, path in {**parts.soundfonts, **parts.held_out}.items()
        },
        "versions": {
            **{name: library_version(name) for name in (*_LIBRARIES, *parts.distributions)},
            "fluidsynth": FluidSynth(parts.fluidsynth).version,
            "espeak-ng": voices.version(parts),
        },
    }


def _begun_with(out: Path) -> str | None:
    """Return where the parts of a folder's corpus come from; None where there is none."""
    if (out / MANIFEST).exists():
        return str(made_with(out)["parts"])
    if not (out / UNFINISHED / _SETTINGS).exists():
        return None
    # Without a word of where parts came from it is of the time when there were Debian's only.
    return str(_begun(out).get("parts", "debian"))


def _begun(out: Path) -> dict[str, Any]:
    """Return the settings of a build that was begun in a folder.

    Raises
    ------
    DatasetError
        If they cannot be read.
    """
    anew = f"delete {out} and build the corpus anew"
    path = out / UNFINISHED / _SETTINGS
    return read_object(path, "settings of a build", anew, DatasetError)


def _begin(out: Path, settings: dict[str, Any]) -> dict[str, list[Entry]]:
    """Return the blocks that a folder has of a corpus; make it the corpus's where it is empty."""
    records = out / UNFINISHED
    if (out / MANIFEST).exists():
        _check_same(out, made_with(out), settings)
    elif (records / _SETTINGS).exists():
        _check_same(out, _begun(out), settings)
    elif out.exists() and any(out.iterdir()):
        raise DatasetError(f"{out} holds something else than an open corpus; name another folder")
    records.mkdir(parents=True, exist_ok=True)
    replace_text(records / _SETTINGS, json.dumps(settings, indent=1))
    done: dict[str, list[Entry]] = defaultdict(list)
    if (out / MANIFEST).exists():
        done.update({name: [] for name in manifest(out)["blocks"]})
        for entry in stored_entries(out):
            done[entry.block].append(entry)
    for record in sorted(records.glob("*-*.json")):
        done[record.stem] = _recorded(record)
    return done


def _recorded(path: Path) -> list[Entry]:
    """Return the clips of a block that was made before the build was interrupted.

    Raises
    ------
    DatasetError
        If they cannot be read.
    """
    try:
        return [Entry.of(plain) for plain in parsed(path)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path} tells of no clips ({type(error).__name__} {error}); delete it and run data"
            " build as before: it makes what is missing"
        ) from error


def _finish(out: Path, done: dict[str, list[Entry]]) -> list[Entry]:
    """Write the manifest, and take away what was for an unfinished corpus only."""
    records = out / UNFINISHED
    entries = sorted((e for block in done.values() for e in block), key=lambda entry: entry.id)
    lines = [json.dumps(asdict(entry), ensure_ascii=False) for entry in entries]
    head = json.dumps({"settings": _begun(out), "blocks": sorted(done)}, indent=1)
    clips = ",\n".join(lines)
    replace_text(out / MANIFEST, f'{head[:-2]},\n "clips": [\n{clips}\n]}}\n')
    shutil.rmtree(records)
    return entries


def _check_same(out: Path, there: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse to go on with another corpus."""
    for name in sorted({*there, *wanted}):
        if there.get(name) != wanted.get(name):
            raise DatasetError(
                f"{out} holds an open corpus with other {name}: {there.get(name)}, not"
                f" {wanted.get(name)}; name another folder, or build with what it was begun with"
            )


def _intact(out: Path, entries: Iterable[Entry] | None) -> bool:
    """Whether a block was made, and its files are all there."""
    return entries is not None and all(
        is_there(out, file, verify=False) for entry in entries for file in entry.files
    )
