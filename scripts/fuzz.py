"""Damage audio files and stored entries at random; count what is made of them.

    python scripts/fuzz.py audio --cases 5000
    python scripts/fuzz.py entries --cases 5000

A damaged audio file is read or refused by a `CorpusError`; a damaged entry of the store is passed
over. Exits with 1 where anything else happens: another exception, more memory than the limit, or
values that were never stored. Cases depend on the seed alone.
"""

from __future__ import annotations

import argparse
import collections
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from pytest_nnrel import Corpus
from pytest_nnrel.corpus import decoding, ffmpeg
from pytest_nnrel.errors import CorpusError
from pytest_nnrel.runtime.shards import SUFFIX
from pytest_nnrel.runtime.store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What the process may use beyond what it has at the start.
_MEMORY_BYTES = 2**30
_RATE = 22_050
_SECONDS = 4
#: Bytes at a file's beginning that headers lie in.
_HEADER_BYTES = 200

Damage = dict[str, "Callable[[bytes, np.random.Generator], bytes]"]


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(len(content), size=int(rng.integers(1, 40))):
        damaged[place] ^= int(rng.integers(1, 256))
    return bytes(damaged)


def _header_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    length = min(len(content), _HEADER_BYTES)
    return _flipped(content[:length], rng) + content[length:]


def _header_filled(content: bytes, rng: np.random.Generator) -> bytes:
    """Largest numbers where a header has some."""
    first = int(rng.integers(4, min(len(content), _HEADER_BYTES)))
    filled = b"\xff" * int(rng.integers(1, 9))
    return content[:first] + filled + content[first + len(filled) :]


def _truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content)))]


def _zeroed(content: bytes, rng: np.random.Generator) -> bytes:
    first, length = (int(n) for n in rng.integers(len(content), size=2))
    return content[:first] + bytes(min(length, len(content) - first)) + content[first + length :]


def _shuffled(content: bytes, rng: np.random.Generator) -> bytes:
    first, second = sorted(int(n) for n in rng.integers(len(content), size=2))
    return content[second:] + content[first:second] + content[:first]


def _random(content: bytes, rng: np.random.Generator) -> bytes:
    return rng.bytes(len(content))


DAMAGE: Damage = {
    "flipped": _flipped,
    "header flipped": _header_flipped,
    "header filled": _header_filled,
    "truncated": _truncated,
    "zeroed": _zeroed,
    "shuffled": _shuffled,
    "random": _random,
}


def sound_files(folder: Path) -> Iterator[Path]:
    """Write one clip in every format that can be written here; yield the files."""
    samples = Corpus.bundled()[7].samples
    stereo = np.stack([samples, samples[::-1]], axis=1)
    for name, options in {
        "wav": {"subtype": "PCM_16"},
        "flac": {},
        "ogg": {"format": "OGG", "subtype": "VORBIS"},
        "mp3": {"format": "MP3"},
        "aiff": {},
        "w64": {},
        "caf": {"subtype": "PCM_16"},
        "au": {},
    }.items():
        path = folder / f"sound.{name}"
        with soundfile.SoundFile(path, "w", _RATE, 2, **options) as file:
            for start in range(0, len(stereo), 4096):  # libsndfile's Vorbis encoder needs blocks
                file.write(stereo[start : start + 4096])
        yield path
    if ffmpeg.reads_extra_formats():
        yield written_by_av(folder / "sound.m4a", samples, "aac")


def written_by_av(path: Path, samples: np.ndarray[Any, Any], codec: str) -> Path:
    """Write a mono signal at 22,050 Hz by FFmpeg's libraries."""
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=_RATE, layout="mono")
        stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = _RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def fuzz_audio(cases: int, seed: int) -> list[dict[str, Any]]:
    """Return what became of damaged audio files."""
    outcomes = []
    with tempfile.TemporaryDirectory() as temporary:
        files = list(sound_files(Path(temporary)))
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        for case in range(cases):
            rng = np.random.default_rng([seed, case])
            path = files[case % len(files)]
            how = list(DAMAGE)[case // len(files) % len(DAMAGE)]
            damaged = path.with_name(f"damaged-{case % 64}{path.suffix}")
            damaged.write_bytes(DAMAGE[how](path.read_bytes(), rng))
            begun = time.perf_counter()
            outcome = _read(damaged)
            seconds = time.perf_counter() - begun
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - used
            if grown > _MEMORY_BYTES:
                outcome = f"FAULT: {grown / 2**30:.1f} GiB"
            outcomes.append(
                {"of": path.suffix, "how": how, "outcome": outcome, "seconds": seconds,
                 "mib": max(grown, 0) / 2**20}
            )  # fmt: skip
    return outcomes


def _read(path: Path) -> str:
    """Open a file as a corpus does; say what became of it."""
    try:
        frames, rate = decoding.probe(path)
        samples, _ = decoding.decode(path, frames=min(frames, _SECONDS * rate))
    except CorpusError as error:
        return "refused" if str(path) in str(error) else f"FAULT: unnamed: {error}"
    except Exception as error:  # this is what is looked for
        return f"FAULT: {type(error).__name__}: {error}"
    return "read" if len(samples) == min(frames, _SECONDS * rate) else "FAULT: another length"


def fuzz_entries(cases: int, seed: int) -> list[dict[str, Any]]:
    """Return what became of damaged, and of exchanged, files of a store.

    Half of them hold one entry, half several.
    """
    outcomes = []
    with tempfile.TemporaryDirectory() as temporary:
        rng = np.random.default_rng(seed)
        store = Store(Path(temporary))
        right: dict[tuple[str, str], dict[str, np.ndarray[Any, Any]]] = {}
        for kind in ("distances", "embeddings"):
            for number in range(8):
                of_one = kind == "distances"
                keys = [digest(number)] if of_one else [digest(number, row) for row in range(8)]
                values = {key: rng.standard_normal(int(rng.integers(1, 200))) for key in keys}
                entries = {key: {"values": of_key} for key, of_key in values.items()}
                right[kind, digest(number)] = values
                if of_one:
                    store.put(kind, digest(number), entries[digest(number)])
                else:
                    store.put_of(kind, digest(number), entries)
        places = {
            (kind, scope): next(
                path for path in store.root.rglob(f"*{SUFFIX}") if {kind, scope} <= _words(path)
            )
            for kind, scope in right
        }
        hows = [*DAMAGE, "exchanged"]
        for case in range(cases):
            rng = np.random.default_rng([seed, case])
            kind, scope = list(right)[case % len(right)]
            how = hows[case // len(right) % len(hows)]
            path = places[kind, scope]
            sound = path.read_bytes()
            if how == "exchanged":
                others = [other for other in places.values() if other != path]
                path.write_bytes(others[int(rng.integers(len(others)))].read_bytes())
            else:
                path.write_bytes(DAMAGE[how](sound, rng))
            outcome = _fetched(Store(store.root), kind, scope, right[kind, scope])
            outcomes.append({"of": kind, "how": how, "outcome": outcome})
            path.write_bytes(sound)
    return outcomes


def _words(path: Path) -> set[str]:
    return {*path.parts, path.stem}


def _fetched(store: Store, kind: str, scope: str, right: dict[str, np.ndarray[Any, Any]]) -> str:
    try:
        if kind == "distances":
            found = {scope: store.get(kind, scope)}
        else:
            keys = list(right)
            found = {keys[at]: entry for at, entry in store.get_of(kind, scope, keys)}
    except Exception as error:  # this is what is looked for
        return f"FAULT: {type(error).__name__}: {error}"
    sound = {key: entry for key, entry in found.items() if entry is not None}
    if not all(np.array_equal(entry["values"], right[key]) for key, entry in sound.items()):
        return "FAULT: another's values"
    if len(sound) == len(right):
        return "right"
    return "right in part" if sound else "passed over"


def main() -> int:
    """Fuzz, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["audio", "entries"])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    fuzz = {"audio": fuzz_audio, "entries": fuzz_entries}[arguments.what]
    outcomes = fuzz(arguments.cases, arguments.seed)
    faults = [o for o in outcomes if o["outcome"].startswith("FAULT")]
    table: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for o in outcomes:
        table[o["of"], o["how"]][o["outcome"].split(":")[0]] += 1
    for (of, how), counts in sorted(table.items()):
        print(f"{of:<12} {how:<16}", *(f"{n} {what}" for what, n in sorted(counts.items())))
    if arguments.what == "audio":
        print(
            f"slowest {max(o['seconds'] for o in outcomes):.2f} s, most memory beyond the start"
            f" {max(o['mib'] for o in outcomes):.0f} MiB"
        )
    for fault in faults[:20]:
        print(json.dumps(fault))
    print(f"{len(outcomes)} cases, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
