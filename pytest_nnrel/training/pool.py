"""Versions of clips that are rendered before a training, of transformations that take longer."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pytest_nnrel.corpus import Clip, Corpus
from pytest_nnrel.errors import SettingError, TrainingError
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.files import replace_bytes, replace_text
from pytest_nnrel.runtime.progress import progress
from pytest_nnrel.runtime.scalars import is_whole
from pytest_nnrel.runtime.store import digest
from pytest_nnrel.runtime.tasks import run_tasks
from pytest_nnrel.training.checks import check_waveforms, path_given, whole_number
from pytest_nnrel.training.drawn import drawn_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from pytest_nnrel.training.drawn import Drawn
    from pytest_nnrel.transforms import Transform
    from pytest_nnrel.transforms.protocol import TransformLike

    Floats = npt.NDArray[np.float32]

_FORMAT = "pytest-nnrel pool 1"
_MANIFEST = "pool.json"
#: Samples of a waveform that are compared with those of the clip that it is said to be, and the
#: deviation, against the clip's peak, that half precision explains.
_PROBED = 64
_TOLERANCE = 1e-2


class TransformedPool:
    """Transformed versions of clips, rendered once by `Transform.apply`.

    It is a dataset as well: ``pool[i]`` is a clip's waveform and its index, which
    `ConsistencyLoss` wants.

    Parameters
    ----------
    clips : Corpus, or float[n, samples]
        What is trained on: of a corpus, the windows of its clips, cut after they were transformed,
        so that a speed-up leaves enough; of an array, its rows, with silence where a row became
        shorter.
    transforms : iterable of Transform, or anything that `as_transform` takes; or a grid's name
        As `ConsistencyLoss` has them: of those, the ones that cannot be computed batch by batch.
    sample_rate : int, optional
        Of an array, in Hz; a corpus has its own.
    versions : int
        Of each clip under each transformation, at severities drawn from rung 1 to the given one.
    folder : path-like, optional
        Where they are kept, to be read as they are drawn; a rendering that was interrupted goes on
        there. In memory where omitted.
    seed : int
        Of what is drawn.
    jobs : int, optional
        Clips that are rendered side by side; the run's where omitted.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    samples : int
        Length of each waveform.

    Raises
    ------
    SettingError
        For a transformation that changes nothing, and for numbers that are none.
    TrainingError
        If all transformations can be computed batch by batch, the clips are no waveforms, or the
        folder holds another pool.
    TransformError
        If a transformation fails on a clip.
    """

    def __init__(
        self,
        clips: Corpus | Any,  # noqa: ANN401  (an array or a tensor)
        transforms: str | Iterable[TransformLike],
        *,
        sample_rate: int | None = None,
        versions: int = 4,
        folder: str | Path | None = None,
        seed: int = 0,
        jobs: int | None = None,
    ) -> None:
        versions, seed = whole_number("versions", versions, 1), whole_number("seed", seed, 0)
        workers = settings.active().jobs if jobs is None else _jobs(jobs)
        originals: Corpus | _Rows
        if isinstance(clips, Corpus):
            if sample_rate not in (None, clips.sample_rate):
                raise SettingError(
                    f"the corpus has {clips.sample_rate} Hz, not {sample_rate}; make it with"
                    f" sample_rate={sample_rate}, or leave sample_rate out"
                )
            originals, self.sample_rate = clips, clips.sample_rate
            self.samples = round(clips.window_seconds * clips.sample_rate)
        else:
            if sample_rate is None:
                raise SettingError("a pool of an array needs its sample_rate, in Hz")
            originals, self.sample_rate = _Rows.of(clips, sample_rate), sample_rate
            self.samples = originals.waveforms.shape[1]
        pooled = [d for d in drawn_of(transforms, self.sample_rate) if d.is_pooled]
        if not pooled:
            raise TrainingError(
                "all of these transformations are computed batch by batch: no pool is needed"
            )
        self._places = {drawn.gravest: place for place, drawn in enumerate(pooled)}
        self._versions = versions
        self._count = len(originals)
        self._folder = None if folder is None else path_given("folder", folder)
        if self._folder is not None:
            self._open(self._folder, originals.fingerprint, pooled, seed)
        task = _Rendering(originals, tuple(pooled), self.samples, versions, seed, self._folder)
        self._entries: dict[int, Floats] = {}
        missing = [i for i in range(self._count) if not task.is_done(i)]
        what = partial(progress, what="pool of transformed clips", unit="clip")
        for i, entry in run_tasks(task, missing, jobs=workers, progress=what, ordered=False):
            if entry is not None:
                self._entries[i] = entry

    def __repr__(self) -> str:
        names = ", ".join(transform.name for transform in self._places)
        where = "in memory" if self._folder is None else f"in {self._folder}"
        return (
            f"TransformedPool({self._count} clips, {self._versions} versions of each under {names},"
            f" {where})"
        )

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return a clip's waveform, ``float32[samples]``, and its index."""
        number = range(self._count)[index]
        return torch.from_numpy(np.array(self._entry(number)[0])), number

    def version(self, index: int, transform: Transform, rng: np.random.Generator) -> Floats:
        """Return a random version of a clip.

        Parameters
        ----------
        index : int
            Of the clip.
        transform : Transform
            One of those that it was made with.
        rng : Generator

        Returns
        -------
        float32[samples]
        """
        first = 1 + self._places[transform] * self._versions
        return np.array(self._entry(index)[first + int(rng.integers(self._versions))])

    def check_holds(self, transforms: Sequence[Transform], sample_rate: int) -> None:
        """Check that there are versions under transformations at a rate.

        Raises
        ------
        TrainingError
            Naming what there is none of.
        """
        if sample_rate != self.sample_rate:
            raise TrainingError(
                f"the pool is of {self.sample_rate:,} Hz and the waveforms of {sample_rate:,} Hz;"
                " make both the same"
            )
        if lacking := [t.name for t in transforms if t not in self._places]:
            raise TrainingError(
                f"the pool has no versions under {', '.join(lacking)}; it was made with"
                f" {', '.join(t.name for t in self._places)}: give both the same list"
            )

    def check_clips(
        self, waveforms: torch.Tensor, indices: torch.Tensor | Sequence[int] | None
    ) -> list[int]:
        """Check that waveforms are the clips that they are said to be.

        Parameters
        ----------
        waveforms : float32[n, samples]
        indices : int[n] or None

        Returns
        -------
        list of int
            The indices.

        Raises
        ------
        TrainingError
            If they are not, or it is not said which they are.
        """
        if indices is None:
            raise TrainingError(
                "with a pool, indices= must say which of its clips the waveforms are; a DataLoader"
                " over the pool itself gives both"
            )
        clips = torch.as_tensor(indices).flatten().tolist()
        whole = len(clips) == len(waveforms) and all(type(i) is int for i in clips)
        if not whole or not all(0 <= i < self._count for i in clips):
            raise TrainingError(
                f"indices must be whole numbers, one for each of the {len(waveforms)} waveforms,"
                f" from 0 to {self._count - 1}, not {clips}"
            )
        if waveforms.shape[1] != self.samples:
            raise TrainingError(
                f"waveforms have {waveforms.shape[1]} samples, and clips of the pool"
                f" {self.samples}; make the pool of what is trained on"
            )
        at = np.linspace(0, self.samples - 1, min(_PROBED, self.samples)).round().astype(int)
        theirs = waveforms[:, torch.from_numpy(at).to(waveforms.device)].cpu().numpy()
        ours = np.stack([self._entry(i)[0][at] for i in clips])
        away = np.abs(theirs - ours).max(axis=1) > _TOLERANCE * np.abs(ours).max(axis=1)
        if away.any():
            rows = np.flatnonzero(away).tolist()
            raise TrainingError(
                f"the waveforms of rows {rows} are not the pool's clips {[clips[r] for r in rows]}:"
                " make the pool of what is trained on, in the same order, and augment nothing"
                " before"
            )
        return clips

    def _entry(self, index: int) -> Floats:
        """Return a clip and its versions: float32[1 + transformations * versions, samples].

        Raises
        ------
        TrainingError
            If its file is missing, or is damaged.
        """
        if self._folder is None:
            return self._entries[index]
        file = _file_of(self._folder, index)
        shape = (1 + len(self._places) * self._versions, self.samples)
        try:
            entry: Floats = np.load(file, mmap_mode="r")
            if entry.shape != shape or entry.dtype != np.float32:
                raise ValueError(f"{entry.dtype}{list(entry.shape)}, not float32{list(shape)}")
        except (OSError, EOFError, ValueError) as error:
            raise TrainingError(
                f"{file} holds no versions of a clip ({error}); delete it, and make the pool again:"
                " it renders what is missing"
            ) from error
        return entry

    def _open(self, folder: Path, clips: str, pooled: Sequence[Drawn], seed: int) -> None:
        """Make a folder this pool's, or check that it is already."""
        told = {
            "format": _FORMAT,
            "clips": clips,
            "transforms": [drawn.gravest.name for drawn in pooled],
            "code": [drawn.gravest.behaviour().digest for drawn in pooled],
            "sample_rate": self.sample_rate,
            "samples": self.samples,
            "versions": self._versions,
            "seed": seed,
        }
        manifest = folder / _MANIFEST
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not manifest.exists():
                replace_text(manifest, json.dumps(told, indent=2))
            known = json.loads(manifest.read_text(encoding="utf-8"))
            if not isinstance(known, dict):
                raise ValueError(f"{_MANIFEST} tells of none")
        except (OSError, ValueError) as error:
            raise TrainingError(f"{folder} cannot hold a pool: {error}") from error
        differing = [name for name in told if known.get(name) != told[name]]
        if differing:
            raise TrainingError(
                f"{folder} holds another pool, of other {' and '.join(differing)}; give this one"
                " another folder, or delete that one"
            )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Waveforms of an array as clips."""

    waveforms: Floats
    sample_rate: int

    @classmethod
    def of(cls, waveforms: Any, sample_rate: int) -> _Rows:  # noqa: ANN401
        given = torch.as_tensor(waveforms)
        check_waveforms(given)
        return cls(given.detach().cpu().float().numpy(), sample_rate)

    def __len__(self) -> int:
        return len(self.waveforms)

    def __getitem__(self, index: int) -> Clip:
        return Clip(f"row {index}", self.waveforms[index], self.sample_rate)

    @property
    def fingerprint(self) -> str:
        return digest(self.waveforms, self.sample_rate)


@dataclass(frozen=True)
class _Rendering:
    """Renders the versions of a clip; runs in a thread, process or cluster."""

    clips: Corpus | _Rows
    pooled: tuple[Drawn, ...]
    samples: int
    versions: int
    seed: int
    folder: Path | None

    def __call__(self, index: int) -> tuple[int, Floats | None]:
        """Return the clip's index, and its versions unless they are kept in the folder."""
        clip = self.clips[index]
        rows = [self._cut(clip)]
        for drawn in self.pooled:
            content = digest("pool", self.seed, clip.id, drawn.gravest.name)
            rng = np.random.default_rng(int(content, 16))
            for _ in range(self.versions):
                rung = drawn.draw(rng)
                rows.append(self._cut(rung.apply(clip, seed=int(rng.integers(2**31)))))
        entry = np.stack(rows)
        if self.folder is None:
            return index, entry
        file = io.BytesIO()
        np.save(file, entry)
        replace_bytes(_file_of(self.folder, index), file.getvalue())
        return index, None

    def is_done(self, index: int) -> bool:
        """Tell whether a clip's versions are in the folder."""
        return self.folder is not None and _file_of(self.folder, index).exists()

    def _cut(self, clip: Clip) -> Floats:
        return clip.window(self.samples / clip.sample_rate)


def _jobs(jobs: object) -> int:
    """Return a number of tasks side by side, as of `joblib.Parallel`."""
    if not is_whole(jobs) or not jobs:
        raise SettingError(
            f"jobs takes a whole number of clips to render side by side, -1 for as many as there"
            f" are cores, not {jobs!r}"
        )
    return int(jobs)


def _file_of(folder: Path, index: int) -> Path:
    return folder / f"{index:08d}.npy"
