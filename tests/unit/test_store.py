"""The store on disk: round trips, damage, full and read-only disks, several writers, pruning."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from patience import PATIENCE

from pytest_nnrel.errors import CacheWarning
from pytest_nnrel.experiment.stores import Stores
from pytest_nnrel.runtime import store as store_
from pytest_nnrel.runtime.store import BULKY, LAYOUT, RUNS, Store, digest

KEY = digest("an entry")
OTHER_KEY = digest("another entry")
DAY = 86_400.0


def entry_path(store, kind, key):
    """Return the one file that holds an entry."""
    (path,) = (store.root / LAYOUT / kind).rglob(f"{key}*")
    return path


def temporary_files(root):
    return [path for path in root.rglob("*") if ".tmp" in path.name]


# ---------------------------------------------------------------------------------------------
# Digests


def test_digest_is_the_same_in_every_process():
    # Golden values: a change of these makes every cache on every disk useless.
    assert digest() == "cae66941d9efbd404e4d88758ea67670"
    code = (
        "from pytest_nnrel.runtime.store import digest;"
        " print(digest({'b': [1, 2.5], 'a': None}, 'x'))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert printed == [digest({"a": None, "b": [1, 2.5]}, "x")] * 2


DISTINCT = {
    "nothing": (),
    "none": (None,),
    "zero": (0,),
    "float-zero": (0.0,),
    "false": (False,),
    "text-zero": ("0",),
    "empty-text": ("",),
    "empty-bytes": (b"",),
    "empty-list": ([],),
    "nested-empty-list": ([[]],),
    "two-parts": ("a", "b"),
    "two-parts-reversed": ("b", "a"),
    "one-joined-part": ("ab",),
    "cut-elsewhere": ("", "ab"),
    "list-of-two": (["a", "b"],),
    "bytes": (b"ab",),
    "nan": (float("nan"),),
    "infinity": (float("inf"),),
    "float32": (np.zeros(4, np.float32),),
    "float64-same-bytes": (np.zeros(2, np.float64),),
    "int32-same-bytes": (np.zeros(4, np.int32),),
    "big-endian-same-bytes": (np.zeros(4, ">f4"),),
    "row": (np.zeros((1, 4), np.float32),),
    "square": (np.zeros((2, 2), np.float32),),
    "raw-bytes-of-float32": (bytes(16),),
    "two-halves": (np.zeros(2, np.float32), np.zeros(2, np.float32)),
    "ascending": (np.array([1.0, 2.0]),),
    "descending": (np.array([2.0, 1.0]),),
    "ascending-in-a-list": ([1.0, 2.0],),
}


def test_digest_tells_types_shapes_orders_and_boundaries_apart():
    names = {}
    for name, parts in DISTINCT.items():
        twin = names.setdefault(digest(*parts), name)
        assert twin == name, f"{name} and {twin} have the same digest"


@pytest.mark.parametrize(
    "parts, same",
    [
        pytest.param(({"a": 1, "b": 2},), ({"b": 2, "a": 1},), id="order of a mapping"),
        pytest.param((b"xy",), (memoryview(b"xy"),), id="views of bytes"),
        pytest.param(
            (np.arange(6.0).reshape(2, 3),),
            (np.asfortranarray(np.arange(6.0).reshape(2, 3)),),
            id="memory layout",
        ),
        pytest.param((np.arange(4.0),), (np.arange(8.0)[:4],), id="slice of a larger array"),
        pytest.param((np.arange(0.0, 8.0, 2.0),), (np.arange(8.0)[::2],), id="strided view"),
    ],
)
def test_digest_does_not_depend_on_representation(parts, same):
    assert digest(*parts) == digest(*same)


def test_digest_refuses_what_has_no_plain_form():
    with pytest.raises(TypeError, match="set"):
        digest({1, 2})


# ---------------------------------------------------------------------------------------------
# Round trips


ARRAYS = {
    "float32": np.linspace(-1, 1, 7, dtype=np.float32),
    "float64-matrix": np.arange(6.0).reshape(2, 3),
    "float16": np.array([0.5, -2.0], np.float16),
    "integers": np.array([-(2**62), 2**62]),
    "flags": np.array([True, False]),
    "complex": np.array([1 + 2j], np.complex64),
    "big-endian": np.array([1.0, 2.0], ">f8"),
    "text": np.array(["kbps", "größer"]),
    "no-text": np.array([], dtype=str),
    "scalar": np.array(2.5),
    "no-rows": np.empty((0, 3), np.float32),
    "not-finite": np.array([np.nan, np.inf, -0.0]),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(10.0)[::3],
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_come_back_as_they_were(tmp_path, array):
    Store(tmp_path).put("kind", KEY, {"array": array})
    stored = Store(tmp_path).get("kind", KEY)
    assert list(stored) == ["array"]
    assert stored["array"].dtype == array.dtype
    np.testing.assert_array_equal(stored["array"], array, strict=True)


def test_an_entry_holds_several_arrays_by_name(tmp_path):
    store = Store(tmp_path)
    store.put("kind", KEY, {"b": np.arange(3), "a": np.array("x")})
    stored = store.get("kind", KEY)
    assert set(stored) == {"a", "b"}
    assert stored["b"].tolist() == [0, 1, 2]


def test_kinds_and_keys_are_apart(tmp_path):
    store = Store(tmp_path)
    store.put("clips", KEY, {"x": np.array(1)})
    assert store.get("clips", KEY) is not None
    assert store.get("features", KEY) is None
    assert store.get("clips", OTHER_KEY) is None
    assert store.get("features", KEY) is None
    assert store.get("clips", OTHER_KEY) is None


def test_put_replaces(tmp_path):
    store = Store(tmp_path)
    store.put("kind", KEY, {"x": np.array(1)})
    store.put("kind", KEY, {"y": np.array(2)})
    assert {name: int(value) for name, value in store.get("kind", KEY).items()} == {"y": 2}
    assert store.size()[0] == 1


def test_nothing_is_made_before_the_first_entry(tmp_path):
    root = tmp_path / "cache"
    store = Store(root)
    assert store.get("kind", KEY) is None
    assert store.size() == (0, 0)
    store.prune()
    store.clear()
    assert not root.exists()


def test_fetch_computes_once_and_gives_the_same_afterwards(tmp_path):
    calls = []

    def compute():
        calls.append(None)
        return {"x": np.arange(3, dtype=np.float32)}

    first = Store(tmp_path).fetch("kind", KEY, compute)
    second = Store(tmp_path).fetch("kind", KEY, compute)
    assert len(calls) == 1
    np.testing.assert_array_equal(first["x"], second["x"], strict=True)


def test_a_failed_computation_leaves_nothing_and_blocks_nobody(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError):
        store.fetch("kind", KEY, lambda: {"x": np.array(1 / 0)})
    assert store.size() == (0, 0)
    assert int(store.fetch("kind", KEY, lambda: {"x": np.array(3)})["x"]) == 3


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    store = Store(tmp_path)

    def interrupted(source, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # Ctrl-C when the file is written and not yet renamed
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.put("kind", KEY, {"x": np.arange(1000)})
    assert store.get("kind", KEY) is None
    assert temporary_files(tmp_path) == []
    store.put("kind", KEY, {"x": np.arange(3)})
    assert store.get("kind", KEY)["x"].tolist() == [0, 1, 2]


# ---------------------------------------------------------------------------------------------
# Damage


def flip(content, position):
    position %= len(content)
    return content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :]


DAMAGES = {
    "flipped-checksum": lambda content: flip(content, 0),
    "flipped-header": lambda content: flip(content, 20),
    "flipped-middle": lambda content: flip(content, len(content) // 2),
    "flipped-last-byte": lambda content: flip(content, -1),
    "cut-in-half": lambda content: content[: len(content) // 2],
    "last-byte-missing": lambda content: content[:-1],
    "only-the-checksum": lambda content: content[:32],
    "less-than-the-checksum": lambda content: content[:7],
    "empty": lambda content: b"",
    "something-appended": lambda content: content + b"\0",
    "another-file": lambda content: b"These are no arrays." * 40,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_entry_is_computed_anew(tmp_path, damage):
    store = Store(tmp_path)
    expected = np.linspace(0, 1, 500)
    store.put("kind", KEY, {"x": expected})
    path = entry_path(store, "kind", KEY)
    path.write_bytes(damage(path.read_bytes()))
    assert store.get("kind", KEY) is None
    np.testing.assert_array_equal(
        store.fetch("kind", KEY, lambda: {"x": expected})["x"], expected, strict=True
    )
    np.testing.assert_array_equal(store.get("kind", KEY)["x"], expected, strict=True)


def test_a_folder_in_the_place_of_an_entry_is_no_entry(tmp_path):
    store = Store(tmp_path)
    store.put("kind", KEY, {"x": np.array(1)})
    path = entry_path(store, "kind", KEY)
    path.unlink()
    path.mkdir()
    assert store.get("kind", KEY) is None


# ---------------------------------------------------------------------------------------------
# Disks that cannot be written


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path):
    obstacle = tmp_path / "a regular file"
    obstacle.write_text("not a folder")
    store = Store(obstacle / "cache")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for key in (KEY, OTHER_KEY):
            value = store.fetch("kind", key, lambda: {"x": np.arange(3)})
            assert value["x"].tolist() == [0, 1, 2]
        store.put("kind", KEY, {"x": np.arange(4)})
        assert store.get("kind", KEY) is None
        store.prune()
        store.clear()
        assert store.size() == (0, 0)
    assert [warning.category for warning in caught] == [CacheWarning]
    message = str(caught[0].message)
    assert str(obstacle) in message
    assert "--nnrel-cache" in message
    assert "results are not affected" in message
    assert obstacle.read_text() == "not a folder"


#: Measures with a cache on a disk that fails in one way or another, and prints what came of it.
ON_A_BAD_DISK = textwrap.dedent(
    """
    import json, subprocess, sys, warnings
    from pathlib import Path

    import numpy as np

    from pytest_nnrel import Corpus, FunctionTransform, within_consistency
    from pytest_nnrel.runtime import settings
    from pytest_nnrel import as_encoder
    from pytest_nnrel.experiment.stores import close_stores
    from pytest_nnrel.runtime.settings import Settings
    from pytest_nnrel.runtime.shards import Index
    from pytest_nnrel.runtime.store import LAYOUT

    mode, folder = sys.argv[1], Path(sys.argv[2])
    rng = np.random.default_rng(1)
    corpus = Corpus.from_arrays(
        0.1 * rng.standard_normal((6, 22050), dtype=np.float32), sample_rate=22050,
        window_seconds=0.5,
    )
    noise = rng.standard_normal(22050)

    def drown(samples, sample_rate):
        return 0.3 * samples + noise * 0.1

    def encode(batch):
        return np.abs(np.fft.rfft(batch))[:, ::50]

    def measure(cache_dir):
        active = Settings(cache_dir=cache_dir, jobs=1)
        token = settings.activate(active)
        try:
            measured = [
                within_consistency(
                    as_encoder(encode, fingerprint="1"),
                    FunctionTransform("drown", drown, version="1"),
                    corpus=corpus,
                )
                for _ in range(2)
            ]
        finally:
            close_stores(active)
            settings.deactivate(token)
        return [m.details["margins"] for m in measured]

    expected = measure(None)
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(folder)]
    if mode == "file size limit":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    elif mode == "disk full":
        subprocess.run([*mount, "-o", "size=100k"], check=True)
    elif mode == "no inodes left":
        # Enough for the folders, and for nothing to put there: not even the lock.
        subprocess.run([*mount, "-o", f"nr_inodes={sys.argv[3]}"], check=True)
    elif mode == "read-only":
        subprocess.run(mount, check=True)
        measure(folder)
        (folder / LAYOUT / "clips").rename(folder / LAYOUT / "gone")
        (folder / LAYOUT / "embeddings").rename(folder / LAYOUT / "gone, too")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = measure(folder)

    def is_sound(path):
        kind, _, *scope, _ = path.relative_to(folder / LAYOUT).parts
        index = Index.of_file(path, kind, scope[0] if scope else path.stem)
        return len(index) > 0 and len(list(index.read(index.keys))) == len(index)

    shards = [p for p in folder.rglob("*.arrays") if "gone" not in str(p)]
    print(json.dumps({
        "right": got == expected,
        "categories": [w.category.__name__ for w in caught],
        "messages": [str(w.message) for w in caught],
        "temporary": [str(p) for p in folder.rglob("*") if ".tmp" in p.name],
        "unsound": [str(p) for p in shards if not is_sound(p)],
    }))
    """
)


def measured_on_a_bad_disk(tmp_path, mode, *arguments, own_mounts=False):
    """Run the script, in a mount namespace of its own where it has to mount something."""
    folder = tmp_path / "cache"
    folder.mkdir()
    script = tmp_path / "measure.py"
    script.write_text(ON_A_BAD_DISK)
    prefix = ["unshare", "--map-root-user", "--mount"] if own_mounts else []
    done = subprocess.run(
        [*prefix, sys.executable, script, mode, folder, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def own_mounts(tmp_path):
    """Skip where a process may not mount a file system of its own."""
    target = tmp_path / "mountable"
    target.mkdir()
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", target]
    if shutil.which("unshare") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no private mounts here")


def assert_one_warning_and_right_results(outcome):
    assert outcome["right"]
    assert outcome["categories"] == ["CacheWarning"], outcome["messages"]
    assert "--nnrel-cache" in outcome["messages"][0]
    assert outcome["temporary"] == []
    assert outcome["unsound"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are POSIX's")
def test_a_file_that_cannot_be_finished_is_no_verdict(tmp_path):
    outcome = measured_on_a_bad_disk(tmp_path, "file size limit")
    assert_one_warning_and_right_results(outcome)


@pytest.mark.usefixtures("own_mounts")
def test_a_full_disk_is_no_verdict(tmp_path):
    outcome = measured_on_a_bad_disk(tmp_path, "disk full", own_mounts=True)
    assert_one_warning_and_right_results(outcome)
    assert "No space left on device" in outcome["messages"][0]


@pytest.mark.usefixtures("own_mounts")
def test_a_disk_without_room_for_a_lock_is_no_verdict(tmp_path):
    # The mount's root, the layout's folder and that of the locks take three.
    outcome = measured_on_a_bad_disk(tmp_path, "no inodes left", "3", own_mounts=True)
    assert_one_warning_and_right_results(outcome)


@pytest.mark.usefixtures("own_mounts")
def test_a_read_only_disk_is_read_and_no_verdict(tmp_path):
    outcome = measured_on_a_bad_disk(tmp_path, "read-only", own_mounts=True)
    assert_one_warning_and_right_results(outcome)


# ---------------------------------------------------------------------------------------------
# Several processes

#: Fetches keys in an order of its own; leaves a line in a file for each that it computed.
WRITER = textwrap.dedent(
    """
    import os, random, sys, time
    from pathlib import Path

    import numpy as np

    from pytest_nnrel.runtime.store import Store, digest

    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    store = Store(folder / "cache")
    keys = list(range(40))
    random.Random(number).shuffle(keys)

    def compute(i):
        with open(folder / "computed", "a") as log:
            log.write(f"{i}\\n")
        time.sleep(0.002)
        return {"x": np.full(5000, i, np.float32)}

    (folder / f"ready-{number}").touch()
    while len(list(folder.glob("ready-*"))) < 2:  # start together
        time.sleep(0.001)
    for _ in range(2):
        for i in keys:
            value = store.fetch("kind", digest(i), lambda: compute(i))["x"]
            assert value.shape == (5000,) and value.dtype == np.float32 and (value == i).all()
    """
)


def test_two_processes_compute_each_entry_once_and_read_it_whole(tmp_path):
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    writers = [
        subprocess.Popen(
            [sys.executable, script, tmp_path, str(number)], stderr=subprocess.PIPE, text=True
        )
        for number in range(2)
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=PATIENCE)
        assert writer.returncode == 0, errors
    computed = sorted(int(line) for line in (tmp_path / "computed").read_text().split())
    assert computed == list(range(40))
    assert Store(tmp_path / "cache").size()[0] == 40
    assert temporary_files(tmp_path) == []


def test_threads_wait_for_each_other(tmp_path):
    store = Store(tmp_path)
    calls = []

    def compute():
        calls.append(None)
        time.sleep(0.05)
        return {"x": np.arange(3)}

    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(lambda _: store.fetch("kind", KEY, compute), range(4)))
    assert len(calls) == 1
    assert [value["x"].tolist() for value in values] == [[0, 1, 2]] * 4


def test_a_killed_process_leaves_no_lock_behind(tmp_path):
    code = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from pytest_nnrel.runtime.store import Store

        def compute():
            Path({str(tmp_path / "computing")!r}).touch()
            time.sleep(60)

        Store(Path({str(tmp_path)!r})).fetch("kind", {KEY!r}, compute)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "computing").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Store(tmp_path).fetch, "kind", KEY, lambda: {"x": np.array(1)})
        assert int(waiting.result(timeout=PATIENCE)["x"]) == 1


# ---------------------------------------------------------------------------------------------
# Size


def filled(root, count, *, cap_entries=float("inf")):
    """Return a store of equally large entries, entry i last used i days after entry 0."""
    store = Store(root)
    keys = [digest(i) for i in range(count)]
    started = time.time() - 100 * DAY
    for i, key in enumerate(keys):
        store.put("kind", key, {"x": np.full(1000, i)})
        used = started + i * DAY
        os.utime(entry_path(store, "kind", key), (used, used))
    entries, size = store.size()
    assert entries == count
    store.cap_bytes = cap_entries * size / count
    return store, keys


def test_size_is_that_of_the_entries(tmp_path):
    store, keys = filled(tmp_path, 3)
    sizes = [entry_path(store, "kind", key).stat().st_size for key in keys]
    assert store.size() == (3, sum(sizes))


def test_prune_deletes_what_was_used_longest_ago(tmp_path):
    store, keys = filled(tmp_path, 5, cap_entries=3)
    store.prune()
    assert [(store.get("kind", key) is not None) for key in keys] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_prune_keeps_what_fits(tmp_path):
    store, keys = filled(tmp_path, 3, cap_entries=3)
    store.prune()
    assert all((store.get("kind", key) is not None) for key in keys)


def test_prune_counts_reading_as_use(tmp_path):
    store, keys = filled(tmp_path, 3, cap_entries=2)
    store.get("kind", keys[0])
    store.prune()
    assert [(store.get("kind", key) is not None) for key in keys] == [True, False, True]


def test_prune_deletes_clips_before_anything_else(tmp_path):
    store, keys = filled(tmp_path, 3, cap_entries=2)
    _, size = store.size()
    store.put(BULKY, OTHER_KEY, {"x": np.full(1000, 1)})  # just now, but soon made again
    store.cap_bytes = size
    store.prune()
    assert store.get(BULKY, OTHER_KEY) is None
    assert all(store.get("kind", key) is not None for key in keys)


def test_a_long_run_stays_near_its_cap(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_nnrel.runtime.store._LOOK_AFTER_BYTES", 20_000)
    store = Store(tmp_path, cap_bytes=50_000)
    sizes = []
    for i in range(100):
        store.put("kind", digest(i), {"x": np.zeros(500)})
        sizes.append(store.size()[1])
    assert 50_000 < max(sizes) < 50_000 + 20_000 + 5_000
    assert store.get("kind", digest(99)) is not None


def test_prune_to_nothing(tmp_path):
    store, _ = filled(tmp_path, 3, cap_entries=0)
    store.prune()
    assert store.size() == (0, 0)


def test_prune_minds_nothing_that_cannot_be_deleted(tmp_path):
    store = Store(tmp_path, cap_bytes=0)
    store.put_of("kind", KEY, {KEY: {"x": np.arange(3)}})
    (entry,) = (path for path in tmp_path.rglob("*") if path.is_file())
    firm = [entry.parent / f"firm{entry.suffix}", entry.parent / ".left.tmp"]
    for path in firm:
        path.mkdir()  # which no file's deletion removes, whoever asks
        os.utime(path, (time.time() - 10 * DAY,) * 2)
    store.prune()
    assert not entry.exists()
    assert all(path.exists() for path in firm)


def test_what_was_the_runs_goes_even_if_pruning_is_interrupted(tmp_path):
    class Interrupted(Store):
        def prune(self):
            raise KeyboardInterrupt

    stores = Stores(tmp_path, cap_bytes=0)
    stores.lasting = Interrupted(tmp_path)
    stores.scratch.put("kind", KEY, {"x": np.arange(3)})
    with pytest.raises(KeyboardInterrupt):
        stores.close()
    assert not stores.of_run.exists()


def test_prune_removes_what_killed_writers_left(tmp_path):
    store, keys = filled(tmp_path, 1)
    left = entry_path(store, "kind", keys[0]).parent / ".left.tmp"
    left.write_bytes(bytes(10_000))
    os.utime(left, (time.time() - 10 * DAY,) * 2)
    store.prune()
    assert temporary_files(tmp_path) == []
    assert store.get("kind", keys[0]) is not None


def test_prune_removes_what_killed_runs_left_and_minds_no_run_that_ends(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.put("kind", KEY, {"x": np.arange(3)})
    runs = tmp_path / LAYOUT / RUNS
    for name in ("killed", "alive"):
        (runs / name / "scratch").mkdir(parents=True)
    os.utime(runs / "killed", (time.time() - 2 * DAY,) * 2)
    store.prune()
    assert [folder.name for folder in runs.iterdir()] == ["alive"]
    look = store_.scan

    def scan_before_it_ends(folder):
        found = look(folder)
        if folder == runs:
            shutil.rmtree(runs / "alive")
        return found

    monkeypatch.setattr(store_, "scan", scan_before_it_ends)
    store.prune()
    assert store.get("kind", KEY) is not None


def test_clear_leaves_what_is_not_the_stores(tmp_path):
    store, _ = filled(tmp_path, 2)
    earlier = tmp_path / "nnrel-v0" / "clips"
    earlier.mkdir(parents=True)
    (earlier / "entry.npz").write_bytes(b"of an earlier layout")
    ours = {tmp_path / LAYOUT, tmp_path / "nnrel-v0"}
    theirs = [
        tmp_path / "notes.txt",
        tmp_path / "nnrel-v1.txt",
        tmp_path / "recordings" / "take 1.wav",
        tmp_path / "nnrel-vocals" / "take 2.wav",
        tmp_path / "my-nnrel-v1" / "take 3.wav",
    ]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("keep me")
    store.clear()
    assert not any(path.exists() for path in ours)
    assert [path for path in theirs if not path.exists()] == []
    assert store.size() == (0, 0)


def test_a_cleared_store_can_be_used_again(tmp_path):
    store, keys = filled(tmp_path, 2)
    store.clear()
    assert store.get("kind", keys[0]) is None
    store.put("kind", keys[0], {"x": np.array(7)})
    assert int(store.get("kind", keys[0])["x"]) == 7


def test_what_is_computed_of_other_entries_may_share_a_lock_with_them(tmp_path):
    """Locks are fewer than keys: two of the 134 clips that a damage is of are often at one."""
    store = Store(tmp_path)

    def inner():
        return store.fetch("clips", "ab" * 16, lambda: {"x": np.arange(3)})

    found = store.fetch("damage", "ab" * 16, inner, outer=True)
    assert found["x"].tolist() == [0, 1, 2]
