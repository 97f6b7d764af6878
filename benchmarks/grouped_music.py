"""Measure distances of real grouped music, for `interval_coverage.py`.

python benchmarks/grouped_music.py FOLDER DISTANCES.npz [--segments N] [--encoders mfcc at]

FOLDER holds recorded tracks, such as Debian's games have (`python -m reference_models data collect`
gathers some). Distances go to a file that `interval_coverage.py --music` reads.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

from pytest_nnrel import MP3, Corpus, MFCCEncoder, PinkNoise, PitchShift, as_encoder
from pytest_nnrel.distances import resolve_distance
from pytest_nnrel.experiment.embedding import embed
from pytest_nnrel.experiment.recognition import recognise
from pytest_nnrel.experiment.rendering import render
from pytest_nnrel.experiment.spaces import audio_space, latent_space
from pytest_nnrel.experiment.study import question
from pytest_nnrel.measures import study_on
from pytest_nnrel.statistics.consistency import as_blocks

CONDITIONS = (PinkNoise(24), PinkNoise(18), PitchShift(2), MP3(32))


def main() -> None:
    """Measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("distances", type=Path)
    parser.add_argument("--segments", type=int, default=4, help="of each track")
    parser.add_argument("--encoders", nargs="+", default=["mfcc", "at"])
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")  # of tracks too short for as many segments
    corpus = Corpus.from_directory(chosen.folder, segments=chosen.segments)
    print(f"{len(corpus)} clips of {len(set(corpus.groups))} tracks", flush=True)
    study = study_on(corpus)
    found = {"groups": np.array(corpus.groups)}
    listeners = {name: recognise(_encoder(name), study) for name in chosen.encoders}
    for condition in CONDITIONS:
        rendered = render(question(study, condition))
        spaces = {"audio": audio_space(rendered, resolve_distance("dtw", "audio"))}
        for name, listener in listeners.items():
            latent = resolve_distance("euclidean", "latent")
            spaces[name] = latent_space(embed(listener, rendered), latent)
        for name, space in spaces.items():
            rows = np.concatenate(list(as_blocks(space.distances)))
            found[f"{name}: {condition.name}"] = rows.astype(np.float32)
        print(condition.name, flush=True)
        np.savez_compressed(chosen.distances, **found)


def _encoder(name: str) -> object:
    if name == "mfcc":
        return MFCCEncoder()
    import reference_models

    return as_encoder(reference_models.load(name))


if __name__ == "__main__":
    main()
