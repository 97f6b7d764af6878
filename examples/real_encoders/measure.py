"""Measure every real encoder whose package is installed, on music and on speech.

::

    python examples/real_encoders/measure.py
    python examples/real_encoders/measure.py --only torchcrepe --parts sanity
    python examples/real_encoders/measure.py --parts breaks --clips 20
    python examples/real_encoders/measure.py --speech FOLDER
    python examples/real_encoders/measure.py --summary

Each encoder runs in a process of its own, on one thread. What is found is kept part by part in
``build/real_encoders``, with the number of clips that it is of, and transformed audio and
embeddings in the user's cache, so that a run goes on where the last one ended. In the end the small
tables in ``results/`` are written anew, of all that was ever found; the documentation's page is
made of them. A package that is missing is passed over, with the line that installs it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import os
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "build" / "real_encoders"
RESULTS = HERE / "results"
FILES = sorted(one.stem for one in HERE.glob("*_*.py"))
#: C_W below which an encoder breaks.
LEAST = 0.9
#: Clips of which the sanity battery is made, and those of a batch whose cost is taken.
FEW, BATCH = 10, 16
#: How often the time is taken; the best counts, since machines are shared.
TIMES = 5
#: Windows after which memory is looked at, and how long they are where any length will do.
COUNTED, SHORT_SECONDS = (1_000, 10_000), 0.5
#: Clips among which C_W is told beside that among all, so that corpora can be compared.
AMONG = 20


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

    report = check_encoder(encoder, corpus=corpus)
    return {
        "findings": [
            {"check": one.check, "seen": one.seen, "size": one.size} for one in report.findings
        ],
        "passed": len(report.passed),
        # Where this machine keeps the code is nobody's business.
        "skipped": {
            check: why.replace(f"{HERE.parents[1]}{os.sep}", "")
            for check, why in report.skipped.items()
        },
        "assumed": list(report.assumed),
    }


def cost(encoder, corpus, bare):
    """Return what a clip takes, beside calls of the bare object, and the size of embeddings.

    Both get the same batch in turns; memory is that of the process at its most, first after bare
    calls alone. Where machines are shared the ratio of both is rough, so what the library does of
    its own is timed by itself, too: beside a function that returns what is there already.
    """
    from pytest_nnrel import as_encoder

    seconds = encoder.window_seconds or corpus.window_seconds
    rate = encoder.sample_rate or corpus.sample_rate
    windows = corpus.windows(sample_rate=rate, window_seconds=seconds)

    def encode():
        return encoder.encode(windows, rate)

    sides, peaks, taken = (lambda: bare(windows), encode), [], ([], [])
    for side in sides:
        for _ in range(2):
            embeddings = side()
        peaks.append(peak_mib())
    for _ in range(TIMES):
        for side, times in zip(sides, taken):
            times.append(cpu_seconds(side))
    of_bare, of_encoder = (min(times) / len(windows) for times in taken)
    there = as_encoder(lambda batch: embeddings, sample_rate=rate, name="there already")
    own = min(cpu_seconds(lambda: there.encode(windows, rate)) for _ in range(4 * TIMES))
    return {
        "sample_rate": rate,
        "window_seconds": seconds,
        "numbers": embeddings.shape[1],
        "cpu_seconds_a_clip": of_encoder,
        "own_microseconds_a_clip": 1e6 * own / len(windows),
        "over_bare": of_encoder / of_bare,
        "peak_mib_bare": peaks[0],
        "peak_mib": peaks[1],
    }


def cpu_seconds(run):
    """Return the time that a call takes of the CPU."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def growth(encoder, corpus):
    """Return the memory of this process, in MiB, after so many windows of noise, by their number.

    What grows between the two is kept by somebody, the encoder's libraries or this one.
    """
    seconds = encoder.window_seconds or SHORT_SECONDS
    rate = encoder.sample_rate or corpus.sample_rate
    rng = np.random.default_rng(0)
    found = {}
    for number in range(0, max(COUNTED), BATCH):
        noise = rng.standard_normal((BATCH, round(seconds * rate)), dtype=np.float32)
        encoder.encode(0.1 * noise, rate)
        done = number + BATCH
        found |= {one: resident_mib() for one in COUNTED if number < one <= done}
    return {str(number): mib for number, mib in found.items()}


def resident_mib():
    """Return the memory of this process as it is, of Linux alone."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * resource.getpagesize() / 2**20)


def peak_mib():
    """Return the memory of this process at its most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


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
    "cost": cost,
    "quick": profiled("quick"),
    "field": profiled("field"),
    "rho": rho,
    "breaks": breaks,
    "growth": growth,
}
#: Those that are only measured where they are asked for, as they take long.
ASKED = ("growth",)
#: Parts that are of fewer clips, whatever number is asked for.
OF_FEW = {"sanity": FEW, "cost": BATCH, "growth": BATCH}


#: Parts that are of one encoder alone, and those that encoders are ranked by.
OWN, GRIDS = ("sanity", "rho", "breaks", "growth"), ("field", "quick")
#: Name of the baseline, which each profile is measured beside, and its file.
REFERENCE, BASELINE = "mfcc", "baseline_mfcc"


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
    if kept.get("about") != about:
        kept = {"about": about, "parts": {}}
    # Nothing needs the encoder where all was measured, of as many clips.
    # The baseline is of this library itself: there is no bare object to compare its cost with.
    parts = [part for part in given.parts if part != "cost" or file != BASELINE]
    clips = {part: OF_FEW.get(part, given.clips) for part in parts}
    lacking = [part for part in clips if kept["parts"].get(part, {}).get("clips", 0) != clips[part]]
    if not lacking:
        print(f"{file} on {name}: all was measured already", flush=True)
        return
    encoder = module.load()
    # A function is called as it is; what is made of other objects, a file says.
    bare = module.bare() if hasattr(module, "bare") else encoder.subject
    for part in lacking:
        begun = time.perf_counter()
        corpus = corpus_of(name, given.speech, clips[part])
        told = {"bare": bare} if part == "cost" else {}
        found = PARTS[part](encoder, corpus, **told)
        kept["parts"][part] = {"clips": clips[part], "found": found}
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(kept), encoding="utf-8")
        print(f"{file} on {name}: {part} in {time.perf_counter() - begun:.0f} s", flush=True)


def summarise(name):
    """Write the table of a corpus, of all that was kept."""
    kept = {
        one.stem: json.loads(one.read_text(encoding="utf-8"))
        for one in sorted((KEPT / name).glob("*.json"))
    }
    rows = {}
    for grid in GRIDS:
        for encoder, (file, told) in standings_of(grid, kept).items():
            # The baseline comes with each run, and is of none of them.
            own = kept.get(BASELINE if encoder == REFERENCE else file, {})
            parts = {part: one["found"] for part, one in own.get("parts", {}).items()}
            row = {**own.get("about", {}), **parts.get("cost", {})}
            row |= {part: parts[part] for part in OWN if part in parts}
            rows.setdefault(encoder, {**row, "grids": {}})["grids"][grid] = told
    if not rows:
        return
    table = {
        "corpus": name,
        "among": AMONG,
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

    Encoders that were measured on fewer clips have standings of their own: C_W falls with the
    number of clips.

    Parameters
    ----------
    grid : str
    kept : dict of str to dict
        What was found, by file.
    """
    from pytest_nnrel.profiles.entrants import Run, entrants_of
    from pytest_nnrel.profiles.standings import ranked
    from pytest_nnrel.report.leaderboard import unlike_the_best

    runs = [
        Run(file, part["found"]) for file, one in kept.items() if (part := one["parts"].get(grid))
    ]
    entrants = entrants_of(runs)
    settings = sorted({one.setting for one in entrants}, key=lambda setting: -setting.clips)
    told = {}
    for setting in settings:
        alike = [one for one in entrants if one.setting == setting]
        board, few = ranked(alike), ranked(alike, among=min(AMONG, setting.clips))
        apart = unlike_the_best(board)
        means = {profile.encoder: profile.mean for profile in few.profiles}
        for profile, file in zip(board.profiles, board.runs):
            told.setdefault(
                profile.encoder,
                (
                    file,
                    {
                        "clips": profile.n,
                        "score": profile.score,
                        "ci": profile.ci,
                        "mean": profile.mean,
                        "mean_among": means[profile.encoder],
                        "beside_the_best": apart.get(profile.encoder, ""),
                        "relative": {
                            one.family: [one.relative, *one.ci] for one in profile.families
                        },
                        "within": {p.name: p.value for f in profile.families for p in f.points},
                    },
                ),
            )
    return told


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
    """Return plain values with four digits after the point, which is more than they are worth.

    None stands for infinity, which JSON has not.
    """
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, (list, tuple)) else value


def main():
    """Measure all, each in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="files or packages")
    usual = [part for part in PARTS if part not in ASKED]
    parser.add_argument("--parts", nargs="+", default=usual, choices=list(PARTS))
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
