"""Shards: many entries in a file. Whatever happens to files, an entry is right or not there."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_nnrel.runtime.shards import SUFFIX, Index, packed
from pytest_nnrel.runtime.store import Store, digest

SCOPE = digest("a scope")


def keys_of(numbers):
    return [digest("clip", number) for number in numbers]


def entry(number, width=50):
    rng = np.random.default_rng(number)
    return {"embedding": rng.standard_normal(width, dtype=np.float32)}


def found_in(store, keys, scope=SCOPE):
    return {keys[at]: found for at, found in store.get_of("embeddings", scope, keys)}


def put(store, numbers, scope=SCOPE):
    return store.put_of("embeddings", scope, dict(zip(keys_of(numbers), map(entry, numbers))))


def files(store):
    return sorted(store.root.rglob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)


def assert_right(found, numbers):
    assert found.keys() == set(keys_of(numbers))
    for number, key in zip(numbers, keys_of(numbers)):
        np.testing.assert_array_equal(
            found[key]["embedding"], entry(number)["embedding"], strict=True
        )


@given(
    st.dictionaries(
        st.integers(0, 40),
        st.dictionaries(
            st.sampled_from(["samples", "seconds", "peak"]),
            arrays.arrays(
                st.sampled_from([np.float32, np.float64, np.int64]),
                arrays.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=5),
            ),
        ),
        max_size=12,
    ),
    st.integers(1, 5),
    st.permutations(range(41)),
)
def test_whatever_is_put_comes_back(tmp_path_factory, entries, size, order):
    store = Store(tmp_path_factory.mktemp("store"))
    named = {digest("clip", number): of for number, of in entries.items()}
    for first in range(0, len(named), size):
        block = list(named)[first : first + size]
        assert store.put_of("kind", SCOPE, {key: named[key] for key in block})
    asked = keys_of(order)
    got = {asked[at]: found for at, found in store.get_of("kind", SCOPE, asked)}
    assert got.keys() == named.keys()
    for key, of in named.items():
        assert list(got[key]) == list(of)
        for name, array in of.items():
            np.testing.assert_array_equal(got[key][name], array, strict=True)
            assert got[key][name].flags.writeable


def test_scopes_and_kinds_are_apart(tmp_path):
    store = Store(tmp_path)
    put(store, range(3))
    other = digest("another scope")
    assert found_in(store, keys_of(range(3)), other) == {}
    assert list(store.get_of("clips", SCOPE, keys_of(range(3)))) == []
    put(store, range(2, 5), other)
    assert_right(found_in(store, keys_of(range(5))), range(3))
    assert_right(found_in(store, keys_of(range(5)), other), range(2, 5))


def test_a_shard_in_another_scopes_place_is_passed_over(tmp_path):
    store = Store(tmp_path)
    put(store, range(3))
    (path,) = files(store)
    other = digest("another scope")
    place = path.parent.parent.parent / other[:2] / other / path.name
    place.parent.mkdir(parents=True)
    path.rename(place)
    assert found_in(store, keys_of(range(3)), other) == {}


def test_an_entry_that_is_asked_for_twice_is_given_twice(tmp_path):
    store = Store(tmp_path)
    put(store, range(3))
    (key,) = keys_of([1])
    assert sorted(at for at, _ in store.get_of("embeddings", SCOPE, [key, key])) == [0, 1]
    assert list(store.get_of("embeddings", SCOPE, [])) == []


def test_damage_of_an_entry_costs_no_other(tmp_path):
    store = Store(tmp_path)
    put(store, range(6))
    (path,) = files(store)
    content = path.read_bytes()
    third = content.index(entry(2)["embedding"].tobytes())
    path.write_bytes(content[:third] + b"\1" + content[third + 1 :])
    for of_store in (store, Store(tmp_path)):
        assert_right(found_in(of_store, keys_of(range(6))), [0, 1, 3, 4, 5])
    put(store, [2])  # is found in the new shard, past the one that is damaged
    for of_store in (store, Store(tmp_path)):
        assert_right(found_in(of_store, keys_of(range(6))), range(6))


def test_a_shard_that_was_cut_off_keeps_what_is_whole(tmp_path):
    store = Store(tmp_path)
    put(store, range(6))
    (path,) = files(store)
    path.write_bytes(path.read_bytes()[:-60])
    assert_right(found_in(Store(tmp_path), keys_of(range(6))), range(5))


@pytest.mark.parametrize("known", [True, False], ids=["looked at before", "new to the process"])
def test_a_shard_that_is_replaced_is_read_anew(tmp_path, known):
    store = Store(tmp_path)
    put(store, range(3))
    (path,) = files(store)
    sound = path.read_bytes()
    if known:
        assert_right(found_in(store, keys_of(range(3))), range(3))
    path.write_bytes(b"no shard")
    assert found_in(store, keys_of(range(3))) == {}
    assert found_in(store, keys_of(range(3))) == {}
    path.write_bytes(sound)
    assert_right(found_in(store, keys_of(range(3))), range(3))


def test_of_two_values_of_a_key_one_is_given(tmp_path):
    store = Store(tmp_path)
    put(store, range(3))
    put(store, range(2, 5))  # by another process, with other bounds
    assert_right(found_in(store, keys_of(range(5))), range(5))


def test_what_is_evicted_is_not_there(tmp_path):
    store = Store(tmp_path)
    put(store, range(3))
    put(store, range(3, 6))
    assert_right(found_in(store, keys_of(range(6))), range(6))  # both are open
    files(store)[0].unlink()
    assert_right(found_in(store, keys_of(range(6))), range(3, 6))


def test_eviction_is_by_shard(tmp_path):
    store = Store(tmp_path, cap_bytes=2500)
    for first in (0, 6, 12):
        put(store, range(first, first + 6))
    os.utime(files(store)[0], (1, 1))  # used longest ago
    store.prune()
    assert store.size()[0] == 1
    (left,) = files(store)
    assert left.stat().st_size <= 2500
    assert found_in(store, keys_of(range(6))) == {}


def test_another_process_is_seen_as_it_writes(tmp_path):
    store = Store(tmp_path)
    put(store, range(2))
    assert_right(found_in(store, keys_of(range(4))), range(2))
    code = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        from pathlib import Path
        from test_shards import Store, put
        put(Store(Path(sys.argv[2])), range(2, 4))
        """
    )
    here = os.path.dirname(__file__)
    subprocess.run([sys.executable, "-c", code, here, tmp_path], check=True)
    assert_right(found_in(store, keys_of(range(4))), range(4))


@pytest.mark.parametrize("width", [64, 256, 1024])
def test_bytes_are_little_more_than_those_of_the_arrays(tmp_path, width):
    numbers = range(64)
    parts = packed(
        "embeddings", SCOPE, dict(zip(keys_of(numbers), (entry(n, width) for n in numbers)))
    )
    assert sum(map(len, parts)) <= 1.2 * 64 * 4 * width


def test_a_head_that_announces_more_than_there_is_is_no_head(tmp_path):
    path = tmp_path / f"x{SUFFIX}"
    path.write_bytes(bytes(32) + (2**62).to_bytes(8, "little") + b"[9, []]")
    assert len(Index.of_file(path, "kind", SCOPE)) == 0
    path.write_bytes(bytes(32) + (7).to_bytes(8, "little") + b"[9, []]")
    assert len(Index.of_file(path, "kind", SCOPE)) == 0
