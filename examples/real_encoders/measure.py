"""Measure every real encoder whose package is installed, on music and on speech.

::

    python examples/real_encoders/measure.py
    python examples/real_encoders/measure.py --only torchcrepe --parts sanity
    python examples/real_encoders/measure.py --speech FOLDER
    python examples/real_encoders/measure.py --summary

Each encoder runs in a process of its own, on one thread. What is found is kept part by part in
``build/real_encoders``, and transformed audio and embeddings in the user's cache, so that a run
goes on where the last one ended. In the end the small tables in ``results/`` are written anew, of
all that was ever found; the documentation's page is made of them. A package that is missing is
passed over, with the line that installs it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "build" / "real_encoders"
RESULTS = HERE / "results"
FILES = sorted(one.stem for one in HERE.glob("*_*.py"))
#: C_W below which an encoder breaks.
LEAST = 0.9
#: Clips of which the sanity battery is made and the time taken.
FEW = 10
#: How often the time is taken; the best counts, since machines are shared.
TIMES = 3


def corpus_of(name, speech, clips):
    """Return the bundled music, or the voices in a folder: those of a talker are one group."""
    from pytest_nnrel import Corpus

    if name == "music":
        corpus = Corpus.bundled()
    else:
        corpus = Corpus.from_directory(speech, groups="folder", name="speech")
    # Those of a smaller number are among those of a larger: what was embedded serves again.
    order = sorted(corpus.ids, key=lambda one: hashlib.sha256(one.encode()).digest())
    return corpus.subset(order[:clips]) if clips else corpus


def sanity(encoder, corpus):
    """Return what the sanity battery finds on a few clips."""
    from pytest_nnrel import check_encoder

    report = check_encoder(encoder, corpus=corpus.subset(FEW))
    return {
        "findings": [
            {"check": one.check, "seen": one.seen, "size": one.size} for one in report.findings
        ],
        "passed": len(report.passed),
        "skipped": report.skipped,
        "assumed": list(report.assumed),
    }


def speed(encoder, corpus):
    """Return seconds of CPU and of time that a clip takes, and the size of embeddings."""
    seconds = encoder.window_seconds or corpus.window_seconds
    few = corpus.subset(FEW)
    windows = few.windows(sample_rate=encoder.sample_rate, window_seconds=seconds)
    embeddings = encoder.encode(windows, encoder.sample_rate)
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter(), time.process_time()
        encoder.encode(windows, encoder.sample_rate)
        taken.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
    elapsed, cpu = (min(one) / len(windows) for one in zip(*taken))
    return {
        "sample_rate": encoder.sample_rate,
        "window_seconds": seconds,
        "numbers": embeddings.shape[1],
        "seconds_a_clip": elapsed,
        "cpu_seconds_a_clip": cpu,
    }


def profiled(grid):
    """Return a part: C_W under a grid, with all that a leaderboard needs."""

    def part(encoder, corpus):
        from pytest_nnrel import profile
        from pytest_nnrel.recording import sink

        with sink() as kept:
            profile(encoder, grid, corpus=corpus)
        return {
            "measurements": {
                key: one for key, one in kept.measurements.items() if one["measure"] == "within"
            },
            "corpora": kept.corpora,
        }

    return part


def rho(encoder, corpus):
    """Return C_rho under a few conditions, beside DTW."""
    from pytest_nnrel import MP3, PinkNoise, PitchShift, between_consistency

    found = {}
    for transform in (PitchShift(2), PinkNoise(12), MP3(16)):
        measured = between_consistency(encoder, transform, corpus=corpus)
        found[transform.name] = [measured.value, *measured.ci]
    return found


def breaks(encoder, corpus):
    """Return the magnitudes at which C_W falls below `LEAST`, in each direction."""
    from pytest_nnrel import PinkNoise, PitchShift, TempoShift, breaking_magnitude

    found = {}
    for family in (PitchShift, TempoShift, PinkNoise):
        told = breaking_magnitude(encoder, family, min=LEAST, corpus=corpus)
        found[family.__name__] = {
            str(direction): {"magnitude": one.magnitude, "ci": one.ci}
            for direction, one in told.directions.items()
        }
    return found


PARTS = {
    "sanity": sanity,
    "speed": speed,
    "field": profiled("field"),
    "quick": profiled("quick"),
    "rho": rho,
    "breaks": breaks,
}


#: Parts that are of one encoder alone, and those that encoders are ranked by.
OWN, GRIDS = ("peak_mib", "sanity", "rho", "breaks"), ("field", "quick")
#: Name of the baseline, which each profile is measured beside.
REFERENCE = "mfcc"


def measure(file, name, given):
    """Measure one encoder on one corpus, and keep each part as it is found."""
    module = importlib.import_module(file)
    place = KEPT / name / f"{file}.json"
    kept = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    about = {
        "field": module.FIELD,
        "package": module.PACKAGE,
        "version": version(module.PACKAGE),
        "licence": module.LICENCE,
    }
    if kept.get("about") != about or kept.get("clips") != given.clips:
        kept = {"about": about, "clips": given.clips}
    if all(part in kept for part in given.parts):
        print(f"{file} on {name}: all was measured already", flush=True)
        return
    encoder, corpus = module.load(), corpus_of(name, given.speech, given.clips)
    for part in given.parts:
        if part in kept:
            continue
        begun = time.perf_counter()
        kept[part] = PARTS[part](encoder, corpus)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        kept["peak_mib"] = max(peak, kept.get("peak_mib", 0))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(kept), encoding="utf-8")
        print(f"{file} on {name}: {part} in {time.perf_counter() - begun:.0f} s", flush=True)


def summarise(name):
    """Write the table of a corpus, of all that was kept."""
    kept = {
        one.stem: json.loads(one.read_text(encoding="utf-8"))
        for one in sorted((KEPT / name).glob("*.json"))
    }
    rows, setting = {}, None
    for grid in GRIDS:
        found, board = standings_of(grid, kept)
        for encoder, (file, told) in found.items():
            # The baseline comes with each run, and is of none.
            own = {} if encoder == REFERENCE else kept[file]
            row = {**own.get("about", {}), **own.get("speed", {})}
            row |= {part: own[part] for part in OWN if part in own}
            rows.setdefault(encoder, {**row, "grids": {}})["grids"][grid] = told
        setting = board.setting if board else setting
    if setting is None:
        return
    table = {
        "corpus": setting._asdict(),
        "versions": {one: version(one) for one in ("pytest-nnrel", "numpy", "librosa")},
        "encoders": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(_text(_rounded(table)), encoding="utf-8")
    for encoder, row in rows.items():
        told = (f"{grid}: score {of['score']:.3f}" for grid, of in row["grids"].items())
        print(f"{name}: {encoder:<24} {', '.join(told)}")


def standings_of(grid, kept):
    """Return what the library's standings say of a grid, and from which file it is; the best first.

    Parameters
    ----------
    grid : str
    kept : dict of str to dict
        What was found, by file.
    """
    from pytest_nnrel.profiles.standings import Run, entrants_of, ranked
    from pytest_nnrel.report.leaderboard import unlike_the_best

    runs = [Run(file, one[grid]) for file, one in kept.items() if grid in one]
    if not runs:
        return {}, None
    board = ranked(entrants_of(runs))
    apart = unlike_the_best(board)
    return {
        profile.encoder: (
            file,
            {
                "score": profile.score,
                "ci": profile.ci,
                "mean": profile.mean,
                "beside_the_best": apart.get(profile.encoder, ""),
                "relative": {one.family: one.relative for one in profile.families},
                "within": {one.name: one.value for f in profile.families for one in f.points},
            },
        )
        for profile, file in zip(board.profiles, board.runs)
    }, board


def _text(table):
    """Return JSON with a line for each thing that is told of an encoder."""
    lines = [
        f"  {json.dumps(name)}: {{\n"
        + ",\n".join(
            f"   {json.dumps(key)}: {json.dumps(one, ensure_ascii=False)}"
            for key, one in row.items()
        )
        + "\n  }"
        for name, row in table["encoders"].items()
    ]
    head = json.dumps({key: one for key, one in table.items() if key != "encoders"}, indent=1)
    return head[: -len("\n}")] + ',\n "encoders": {\n' + ",\n".join(lines) + "\n }\n}\n"


def _rounded(value):
    """Return plain values with four digits after the point, which is more than they are worth."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else value


def main():
    """Measure all, each in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="files or packages")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--clips", type=int, metavar="N", help="N of each corpus (default: all)")
    parser.add_argument("--speech", type=Path, help="folder of voices, of scripts/make_voices.py")
    parser.add_argument("--no-music", action="store_true", help="measure on speech alone")
    parser.add_argument("--summary", action="store_true", help="write the tables, measure nothing")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(*given.one, given)
        return
    corpora = [*([] if given.no_music else ["music"]), *(["speech"] if given.speech else [])]
    failed = []
    for name in () if given.summary else corpora:
        for file in FILES:
            module = importlib.import_module(file)
            if given.only and not {file, module.PACKAGE} & set(given.only):
                continue
            try:
                version(module.PACKAGE)
            except PackageNotFoundError:
                print(f"{file}: {module.PACKAGE} is not installed: {module.INSTALL}", flush=True)
                continue
            command = [sys.executable, __file__, "--one", file, name, "--parts", *given.parts]
            command += ["--speech", str(given.speech)] if given.speech else []
            command += ["--clips", str(given.clips)] if given.clips else []
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            if subprocess.run(command, env=environment, check=False).returncode:
                failed.append(f"{file} on {name}")
    for name in ("music", "speech"):
        summarise(name)
    if failed:
        raise SystemExit(f"failed, see above: {', '.join(failed)}")


if __name__ == "__main__":
    main()
