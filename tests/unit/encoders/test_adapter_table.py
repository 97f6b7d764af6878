"""Tables of embeddings that were computed elsewhere."""

import json

import numpy as np
import pytest
from trial import RATE, Trial, bands

from pytest_nnrel import (
    Corpus,
    EncoderError,
    FunctionTransform,
    Identity,
    MFCCEncoder,
    PinkNoise,
    SettingError,
    as_encoder,
    between_consistency,
    export_windows,
    within_consistency,
)
from pytest_nnrel.runtime.store import digest

NOISE = PinkNoise(snr_db=0)


def reverse(samples, sample_rate):
    return samples[::-1]


pytestmark = pytest.mark.usefixtures("run")
REVERSAL = FunctionTransform("reversal", reverse)


def trial(folder, windows):
    rows = [{"clip": str(i), "transform": "Identity", "window": digest(w)}
            for i, w in enumerate(windows)]  # fmt: skip
    listing = {"sample_rate": RATE, "window_seconds": windows.shape[1] / RATE, "rows": rows}
    (folder / "windows.json").write_text(json.dumps(listing))
    tables = {"mine": bands(windows), "other": 2 * bands(windows), "codes": np.ones((6, 3), int)}
    for name, table in tables.items():
        np.save(folder / f"{name}.npy", table)
    mine, other, codes = (folder / f"{name}.npy" for name in tables)
    return Trial(mine, bands, other, codes)


def exported(folder, corpus, encoder, transforms, **options):
    """Return the path of a table: export, encode, save."""
    windows = np.load(export_windows(folder, transforms, corpus=corpus, **options))
    listing = json.loads((folder / "windows.json").read_text())
    np.save(folder / "mine.npy", encoder.encode(windows, listing["sample_rate"]))
    return folder / "mine.npy"


def test_the_windows_are_those_that_an_encoder_would_get(corpus, tmp_path):
    folder = tmp_path / "new" / "folder"
    path = export_windows(folder, [NOISE, REVERSAL, NOISE], corpus=corpus)
    assert path == folder / "windows.npy"
    windows = np.load(path)
    listing = json.loads((folder / "windows.json").read_text())
    assert (listing["sample_rate"], listing["window_seconds"]) == (22_050, 0.5)
    expected = [corpus.windows(t) for t in (Identity(), NOISE, REVERSAL)]
    np.testing.assert_array_equal(windows, np.concatenate(expected), strict=True)
    assert [(row["clip"], row["transform"]) for row in listing["rows"]] == [
        (id_, t.name) for t in (Identity(), NOISE, REVERSAL) for id_ in corpus.ids
    ]


@pytest.mark.parametrize("as_path", [str, lambda path: path], ids=["str", "Path"])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_a_table_gives_what_its_encoder_gives(corpus, tmp_path, as_path, distance):
    direct = as_encoder(bands)
    table = as_encoder(as_path(exported(tmp_path, corpus, direct, [NOISE, REVERSAL])))
    assert table.name == "mine"
    for transform in (NOISE, REVERSAL):
        expected = within_consistency(direct, transform, corpus=corpus, distance=distance)
        got = within_consistency(table, transform, corpus=corpus, distance=distance)
        assert (got.value, got.ci, got.outcomes) == (expected.value, expected.ci, expected.outcomes)
        assert got.details["margins"] == expected.details["margins"]
        assert got.worst == expected.worst
    assert 0.0 < within_consistency(table, NOISE, corpus=corpus, distance=distance).value < 1.0


def test_a_table_serves_between_space_measures_too(corpus, tmp_path):
    direct = MFCCEncoder()
    table = as_encoder(exported(tmp_path, corpus, direct, [NOISE]))
    for measure in ("rho", "accuracy"):
        expected = between_consistency(direct, NOISE, corpus=corpus, measure=measure)
        got = between_consistency(table, NOISE, corpus=corpus, measure=measure)
        assert (got.value, got.ci) == (expected.value, expected.ci)


def test_a_table_at_another_rate_and_window(corpus, tmp_path):
    direct = as_encoder(bands, sample_rate=16_000, window_seconds=0.75)
    path = exported(tmp_path, corpus, direct, [REVERSAL], sample_rate=16_000, window_seconds=0.75)
    table = as_encoder(path, sample_rate=16_000, window_seconds=0.75)
    assert (table.sample_rate, table.window_seconds) == (16_000, 0.75)
    assert np.load(tmp_path / "windows.npy").shape == (16, 12_000)
    expected = within_consistency(direct, REVERSAL, corpus=corpus)
    assert (
        within_consistency(table, REVERSAL, corpus=corpus).details["margins"]
        == (expected.details["margins"])
    )


@pytest.mark.parametrize(
    "option",
    [{"sample_rate": 8000}, {"window_seconds": 1.0}, {"fingerprint": "release 3"}],
    ids=str,
)
def test_a_table_is_no_other_than_it_is(corpus, tmp_path, option):
    path = exported(tmp_path, corpus, as_encoder(bands), [REVERSAL])
    ((name, value),) = option.items()
    with pytest.raises(EncoderError, match=rf"mine\.npy has {name} .*{name}={value!r} would not"):
        as_encoder(path, **option)


def test_a_table_of_another_seed(corpus, tmp_path):
    direct = as_encoder(bands)
    table = as_encoder(exported(tmp_path, corpus, direct, [NOISE], seed=5))
    expected = within_consistency(direct, NOISE, corpus=corpus, seed=5)
    got = within_consistency(table, NOISE, corpus=corpus, seed=5)
    assert got.details["margins"] == expected.details["margins"]
    with pytest.raises(EncoderError, match=r"no embedding for 8 of 8 windows.* seed"):
        within_consistency(table, NOISE, corpus=corpus, seed=6)


def test_rows_may_be_asked_for_in_any_order_and_number(corpus, tmp_path):
    direct = as_encoder(bands)
    table = as_encoder(exported(tmp_path, corpus, direct, [NOISE]), batch_size=3)
    windows = np.load(tmp_path / "windows.npy")
    embeddings = np.load(tmp_path / "mine.npy")
    order = [9, 2, 2, 15, 0, 7, 11]
    np.testing.assert_array_equal(table.encode(windows[order], 22_050), embeddings[order])


def test_the_name_given_is_the_tables(corpus, tmp_path):
    path = exported(tmp_path, corpus, as_encoder(bands), [NOISE])
    assert as_encoder(path, name="remote").name == "remote"


def test_the_fingerprint_is_that_of_the_embeddings(corpus, tmp_path):
    path = exported(tmp_path, corpus, as_encoder(bands), [NOISE])
    before = as_encoder(path).fingerprint
    assert before is not None
    assert as_encoder(path).fingerprint == before
    table = np.load(path)
    table[3, 2] += 1e-3
    np.save(path, table)
    assert as_encoder(path).fingerprint != before


def test_a_new_table_under_the_same_name_is_measured_anew(corpus, tmp_path):
    path = exported(tmp_path, corpus, as_encoder(bands), [NOISE])
    before = within_consistency(str(path), NOISE, corpus=corpus)
    np.save(path, MFCCEncoder().encode(np.load(tmp_path / "windows.npy"), 22_050))
    after = within_consistency(str(path), NOISE, corpus=corpus)
    expected = within_consistency(MFCCEncoder(), NOISE, corpus=corpus)
    assert after.details["margins"] == expected.details["margins"]
    assert after.details["margins"] != before.details["margins"]


# ---------------------------------------------------------------------------------------------
# Tables that cannot serve


@pytest.fixture
def table(corpus, tmp_path):
    folder = tmp_path / "table"
    return exported(folder, corpus, as_encoder(bands), [NOISE])


@pytest.mark.parametrize("listed", ["other", "unreadable"])
def test_windows_are_not_exported_beside_tables_of_others(table, corpus, listed):
    folder = table.parent
    export_windows(folder, [NOISE], corpus=corpus)  # the same again
    if listed == "unreadable":
        (folder / "windows.json").write_text("[")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    other = [NOISE if listed == "unreadable" else PinkNoise(snr_db=9)]
    with pytest.raises(EncoderError, match=r"holds mine\.npy, .*; delete .* another folder"):
        export_windows(folder, other, corpus=corpus)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    table.unlink()
    export_windows(folder, other, corpus=corpus)
    assert (folder / "windows.json").read_bytes() != before["windows.json"]


def test_windows_are_exported_into_a_folder_named_by_text_of_what_is_a_transformation(
    corpus, tmp_path
):
    path = export_windows(str(tmp_path / "new"), [NOISE], corpus=corpus)
    assert len(np.load(path)) == 2 * len(corpus)
    for folder, transforms, kind, message in (
        (5, [NOISE], EncoderError, "takes the path of a folder, not 5"),
        (tmp_path / "other", NOISE, SettingError, r"are a list, such as .* not PinkNoise"),
        (tmp_path / "other", None, SettingError, r"are a list, such as .* not None"),
    ):
        with pytest.raises(kind, match=message):
            export_windows(folder, transforms, corpus=corpus)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("missing", ["mine.npy", "windows.json"])
def test_a_missing_file(table, missing):
    (table.parent / missing).unlink()
    with pytest.raises(
        EncoderError, match=r"mine\.npy or its list windows\.json .* missing; export_windows"
    ):
        as_encoder(table)


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda rows: rows[:-1], r"shape \[15, 12\]; expected one row for each of the 16 windows"),
        (lambda rows: np.vstack([rows, rows]), r"shape \[32, 12\]; expected one row for each"),
        (lambda rows: rows[:, 0], r"shape \[16\]; expected one row for each of the 16"),
        (lambda rows: rows.T, r"shape \[12, 16\]; expected one row for each of the 16"),
        (lambda rows: rows[:, None], r"shape \[16, 1, 12\]; expected one row for each"),
    ],
    ids=["row missing", "rows doubled", "vector", "transposed", "3-D"],
)
def test_a_table_of_another_shape(table, change, match):
    np.save(table, change(np.load(table)))
    with pytest.raises(EncoderError, match=rf"mine\.npy has {match}"):
        as_encoder(table)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"1.0, 2.0\n", id="text"),
        pytest.param(b"\x93NUMPY\x01\x00", id="cut"),
    ],
)
def test_a_file_that_is_no_array(table, content):
    table.write_bytes(content)
    with pytest.raises(EncoderError, match=r"mine\.npy cannot be read"):
        as_encoder(table)


def test_pickled_objects_are_not_loaded(table):
    np.save(table, np.array([object()] * 16), allow_pickle=True)
    with pytest.raises(EncoderError, match=r"mine\.npy cannot be read"):
        as_encoder(table)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"rows": 3}', '{"rows": [{"clip": "a"}]}'],
    ids=["empty", "list", "no rows", "rows of another type", "rows without windows"],
)
def test_a_list_that_is_none(table, content):
    (table.parent / "windows.json").write_text(content)
    with pytest.raises(EncoderError, match=r"mine\.npy cannot be read"):
        as_encoder(table)


def test_a_list_without_the_rate(table):
    listing = json.loads((table.parent / "windows.json").read_text())
    del listing["sample_rate"]
    (table.parent / "windows.json").write_text(json.dumps(listing))
    with pytest.raises(EncoderError, match=r"mine\.npy cannot be read.*sample_rate"):
        as_encoder(table)


def test_embeddings_are_checked_as_any_encoders_are(table, corpus):
    rows = np.load(table)
    rows[5] = np.nan
    np.save(table, rows)
    with pytest.raises(EncoderError, match=r"'mine' returned NaN .* for 1 of 8") as caught:
        within_consistency(str(table), NOISE, corpus=corpus)
    assert corpus.ids[5] in str(caught.value)


def test_integer_tables_are_no_embeddings(table, corpus):
    np.save(table, np.load(table).astype(np.int32))
    with pytest.raises(EncoderError, match=r"'mine' must return a float array .* not int32"):
        within_consistency(str(table), NOISE, corpus=corpus)


@pytest.mark.parametrize(
    "measure",
    [
        pytest.param(
            lambda table, corpus: within_consistency(table, PinkNoise(snr_db=9), corpus=corpus),
            id="other magnitude",
        ),
        pytest.param(
            lambda table, corpus: within_consistency(table, REVERSAL, corpus=corpus),
            id="other transformation",
        ),
        pytest.param(
            lambda table, corpus: within_consistency(table, NOISE, corpus=corpus, seed=1),
            id="other seed",
        ),
        pytest.param(
            lambda table, corpus: within_consistency(
                table, NOISE, corpus=Corpus.bundled().subset(5)
            ),
            id="other corpus",
        ),
    ],
)
def test_audio_that_the_table_does_not_cover(table, corpus, measure):
    with pytest.raises(
        EncoderError, match=r"the table 'mine' has no embedding for .* export the windows again"
    ):
        measure(table, corpus)


@pytest.mark.parametrize("batch_size", [2, 32])
def test_windows_without_embeddings_are_told_by_row(table, corpus, batch_size):
    windows = np.load(table.parent / "windows.npy")[:8]
    windows[5] *= 0.5
    with pytest.raises(EncoderError, match="no embedding for 1 of") as caught:
        as_encoder(table, batch_size=batch_size).encode(windows, 22_050)
    assert caught.value.rows == (5,)


@pytest.mark.parametrize("batch_size", [3, 32])
def test_clips_without_embeddings_are_named(table, corpus, batch_size):
    without = corpus.ids[5]
    listing = json.loads((table.parent / "windows.json").read_text())
    for row in listing["rows"]:
        if row["clip"] == without:
            row["window"] = "of other audio"
    (table.parent / "windows.json").write_text(json.dumps(listing))
    with pytest.raises(EncoderError, match="no embedding") as caught:
        within_consistency(as_encoder(table, batch_size=batch_size), NOISE, corpus=corpus)
    named = [id_ for id_ in corpus.ids if id_ in str(caught.value)]
    assert named == [without]
