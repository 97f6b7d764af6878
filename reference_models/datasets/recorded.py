"""Recorded music from Debian packages of games: to train on and to try things out.

The music is under free licences (GPL, CC-BY, CC-BY-SA, MIT), and not distributed with this project:
`collect` downloads the packages and takes the tracks out. Tracks of which the bundled corpus has a
clip are left out, so that nothing is trained on what consistency is measured on. Packages, not
tracks, are split into training, validation and test: music of one game sounds alike.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_nnrel.corpus import SOURCE_SECONDS, WINDOW_SECONDS
from pytest_nnrel.corpus.audio import centre, resample, rms
from pytest_nnrel.corpus.decoding import decode, probe
from pytest_nnrel.runtime.files import replace_text
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.store import digest
from reference_models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_nnrel.corpus.audio import Samples

#: Packages by the part of the data that their music is.
PACKAGES: dict[str, tuple[str, ...]] = {
    "train": (
        "asc-music", "colobot-common-sounds", "fillets-ng-data", "fretsonfire-songs-muldjord",
        "fretsonfire-songs-sectoid", "lincity-ng-data", "marsshooter-data", "naev-data",
        "supertux-data", "ufoai-music", "warzone2100-music", "widelands-data",
    ),
    "validation": ("freedroidrpg-data", "hyperrogue-music"),
    "test": ("megaglest-data", "nexuiz-music", "unknown-horizons"),
}  # fmt: skip
MANIFEST = "manifest.json"
FORMAT = "pytest-nnrel recorded music"
#: Shorter files are effects and jingles.
SHORTEST_SECONDS = 20.0
#: From the beginning of a clip to that of the next, in a track.
CUT_EVERY_SECONDS = 8.0
#: RMS up to which a clip is silent: -50 dB of full scale.
_SILENCE = 10 ** (-50 / 20)
#: Seconds at the beginning by which tracks are told apart.
_TOLD_APART_BY = 30
_AUDIO = frozenset({".ogg", ".opus", ".mp3", ".flac", ".wav"})
_ARCHIVES = frozenset({".pk3", ".zip"})


@dataclass(frozen=True)
class Track:
    """A track of the collection.

    Attributes
    ----------
    path : str
        Relative to the collection.
    package, version : str
        Of Debian.
    source : str
        Path inside the package; inside an archive in it after a colon.
    part : {"train", "validation", "test"}
    seconds : float
    sha256 : str
        Of the file.
    content : str
        Digest of the first 30 s of its samples, which twins have in common.
    """

    path: str
    package: str
    version: str
    source: str
    part: str
    seconds: float
    sha256: str
    content: str


def collect(out: Path, *, packages: Iterable[str] | None = None) -> list[Track]:
    """Download packages and take their music out; what is there already is left as it is.

    Parameters
    ----------
    out : Path
        Gets a folder for each package, ``packages`` with the downloads, and a manifest.
    packages : iterable of str, optional
        Some of `PACKAGES`; all of them where omitted.

    Returns
    -------
    list of Track
        Of all packages in `out`.

    Raises
    ------
    DatasetError
        If apt-get or dpkg-deb is not installed, a package is unknown or cannot be downloaded, or
        `out` holds something else.
    """
    part_of = {name: part for part, names in PACKAGES.items() for name in names}
    wanted = list(part_of) if packages is None else list(packages)
    unknown = [name for name in wanted if name not in part_of]
    if unknown:
        raise DatasetError(
            f"{', '.join(unknown)}: no package that music is taken from; there are"
            f" {', '.join(part_of)}"
        )
    found = {track.path: track for track in (load(out) if (out / MANIFEST).exists() else [])}
    out.mkdir(parents=True, exist_ok=True)
    missing = [name for name in wanted if all(t.package != name for t in found.values())]
    for name in progress(missing, len(missing), "recorded music", "package"):
        debian = _download(name, out / "packages")
        known = {track.content for track in found.values()}
        for track in _take_out(debian, name, part_of[name], out, known):
            found[track.path] = track
        _write(out, found.values())  # after each, so that a run that is stopped goes on there
    return sorted(found.values(), key=lambda track: track.path)


def load(root: Path, *, verify: bool = False) -> list[Track]:
    """Return the tracks of a collection, ordered by path.

    Parameters
    ----------
    root : Path
    verify : bool
        Whether files are compared with their checksums; else only their presence counts.

    Raises
    ------
    DatasetError
        If there is no collection, or files are missing or were changed.
    """
    try:
        plain = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        if plain["format"] != FORMAT:
            raise ValueError(f"format {plain['format']!r}")
        tracks = [Track(**track) for track in plain["tracks"]]
    except FileNotFoundError as error:
        raise DatasetError(
            f"{root} holds no recorded music: there is no {MANIFEST}; build it with python -m"
            f" reference_models data collect --out {root}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{root / MANIFEST} cannot be read: {error}") from error
    gone = [track.path for track in tracks if not (root / track.path).is_file()]
    if verify:
        gone += [t.path for t in tracks if t.path not in gone and sha256(root / t.path) != t.sha256]
    if gone:
        raise DatasetError(
            f"{len(gone)} of {len(tracks)} tracks of {root} are missing or were changed, such as"
            f" {gone[0]}; delete {root / MANIFEST} and collect them again"
        )
    return sorted(tracks, key=lambda track: track.path)


def cuts(root: Path, track: Track, sample_rate: int) -> Iterator[tuple[float, Samples]]:
    """Yield clips of 4 s from a track, one every 8 s, but for those in whose middle is silence.

    Parameters
    ----------
    root : Path
        Of the collection.
    track : Track
    sample_rate : int
        That clips are to have, in Hz.

    Yields
    ------
    start : float
        In seconds.
    samples : float32[4 * sample_rate]
        The mean of the channels.
    """
    path = root / track.path
    _, rate = probe(path)
    start = CUT_EVERY_SECONDS / 2
    while start + SOURCE_SECONDS <= track.seconds:
        samples, _ = decode(path, start=round(start * rate), frames=round(SOURCE_SECONDS * rate))
        clip = resample(samples, rate, sample_rate)
        if rms(centre(clip, round(WINDOW_SECONDS * sample_rate))) > _SILENCE:
            yield start, np.clip(clip, -1, 1)
        start += CUT_EVERY_SECONDS


def bundled_tracks() -> set[tuple[str, str]]:
    """Return package and file name of each track of which the bundled corpus has a clip."""
    listing = resources.files("pytest_nnrel") / "data" / "corpus" / "manifest.csv"
    rows = csv.DictReader(listing.read_text(encoding="utf-8").splitlines())
    return {(row["source_package"], Path(row["track"]).name) for row in rows}


def _download(package: str, folder: Path) -> Path:
    """Return a package's file, downloaded unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for there in sorted(folder.glob(f"{package}_*.deb")):
        return there
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        _run(["apt-get", "download", package], cwd=Path(unfinished), of=package)
        (downloaded,) = Path(unfinished).glob("*.deb")
        return downloaded.rename(folder / downloaded.name)


def _take_out(debian: Path, package: str, part: str, out: Path, known: set[str]) -> Iterator[Track]:
    """Yield the tracks of a package that are music, and not there in another package."""
    version = _run(["dpkg-deb", "-f", str(debian), "Version"], of=package).strip()
    kept_out = bundled_tracks()
    with tempfile.TemporaryDirectory(dir=out) as folder:
        _run(["dpkg-deb", "-x", str(debian), folder], of=package)
        files = list(_audio_files(Path(folder)))
        of_bundled = [path for _, path in files if (package, path.name) in kept_out]
        known |= {_content(path) for path in of_bundled}  # nor what is the same by another name
        for source, path in files:
            if path in of_bundled:
                continue
            seconds = _seconds(path)
            if seconds < SHORTEST_SECONDS or (content := _content(path)) in known:
                continue
            known.add(content)
            checksum = sha256(path)
            place = Path(package) / f"{checksum[:8]}_{path.name}"
            (out / package).mkdir(exist_ok=True)
            shutil.move(path, out / place)
            yield Track(
                place.as_posix(), package, version, source, part, round(seconds, 3), checksum,
                content,
            )  # fmt: skip


def _audio_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield where each audio file was, and where it is, those in archives too."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        inside = path.relative_to(folder).as_posix()
        if path.suffix.lower() in _AUDIO:
            yield inside, path
        elif path.suffix.lower() in _ARCHIVES:
            unpacked = Path(tempfile.mkdtemp(dir=folder))
            with zipfile.ZipFile(path) as archive:
                members = [m for m in archive.namelist() if Path(m).suffix.lower() in _AUDIO]
                for member in sorted(members):
                    yield f"{inside}:{member}", Path(archive.extract(member, unpacked))


def _seconds(path: Path) -> float:
    """Return the length of an audio file; 0 for what cannot be read."""
    import soundfile

    try:
        return float(soundfile.info(path).duration)
    except soundfile.LibsndfileError:
        return 0.0


def _content(path: Path) -> str:
    import soundfile

    with soundfile.SoundFile(path) as file:
        return digest(file.samplerate, file.read(_TOLD_APART_BY * file.samplerate, "int16"))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(out: Path, tracks: Iterable[Track]) -> None:
    ordered = sorted(tracks, key=lambda track: track.path)
    plain: dict[str, Any] = {"format": FORMAT, "tracks": [asdict(track) for track in ordered]}
    replace_text(out / MANIFEST, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")


def _run(command: list[str], *, of: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, check=True, encoding="utf-8"
        )
    except FileNotFoundError as error:
        raise DatasetError(
            f"recorded music comes from Debian packages, and {command[0]} is not installed here;"
            " use a Debian system or container (apt-get install apt dpkg)"
        ) from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or ["no message"]
        raise DatasetError(
            f"package {of}: {' '.join(command[:2])} failed: {last[0]}; apt-get update may help"
        ) from error
    return done.stdout
