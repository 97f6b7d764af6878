"""Recorded music: what is taken out of packages, and what a collection is checked for."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile

import numpy as np
import pytest
import soundfile

from reference_models.__main__ import main
from reference_models.datasets import recorded
from reference_models.errors import DatasetError

if not shutil.which("dpkg-deb"):
    pytest.skip("needs Debian's dpkg-deb, which no wheel brings", allow_module_level=True)


def sound(path, seconds, pitch):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * 8000)) / 8000
    soundfile.write(path, 0.1 * np.sin(2 * np.pi * pitch * time), 8000)


def package(folder, name, version, files):
    """Build a Debian package of files that `files` writes into a tree."""
    tree = folder / f"tree-{name}"
    files(tree / "usr" / "share")
    control = tree / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: music\n"
    )
    target = folder / "packages" / f"{name}_{version}_all.deb"
    target.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "-b", str(tree), str(target)], check=True, capture_output=True)
    shutil.rmtree(tree)


@pytest.fixture
def downloaded(tmp_path):
    """Return a folder with three packages that were downloaded, none taken out yet."""

    def of_naev(share):
        sound(share / "naev" / "long.ogg", 21, 100)
        sound(share / "naev" / "effect.ogg", 2, 200)
        sound(share / "naev" / "eureka.ogg", 21, 300)  # the bundled corpus has a clip of it
        sound(share / "naev" / "as-eureka.ogg", 21, 300)
        (share / "naev" / "broken.ogg").write_bytes(b"no audio")
        (share / "naev" / "readme.txt").write_text("text")

    def of_nexuiz(share):
        inside = share / "inside.ogg"
        sound(inside, 22, 400)
        with zipfile.ZipFile(share / "music.pk3", "w") as archive:
            archive.write(inside, "sound/cdtracks/track01.ogg")
        inside.unlink()

    def of_hyperrogue(share):
        sound(share / "hr" / "same-as-naev.ogg", 21, 100)
        sound(share / "hr" / "own.ogg", 23, 500)

    package(tmp_path, "naev-data", "1.0", of_naev)
    package(tmp_path, "nexuiz-music", "2.5", of_nexuiz)
    package(tmp_path, "hyperrogue-music", "3", of_hyperrogue)
    return tmp_path


THREE = ("naev-data", "nexuiz-music", "hyperrogue-music")


def test_music_is_taken_out_once_and_bundled_tracks_are_not(downloaded):
    tracks = recorded.collect(downloaded, packages=THREE)
    assert {(t.package, t.source, t.part, round(t.seconds)) for t in tracks} == {
        ("naev-data", "usr/share/naev/long.ogg", "train", 21),
        ("nexuiz-music", "usr/share/music.pk3:sound/cdtracks/track01.ogg", "test", 22),
        ("hyperrogue-music", "usr/share/hr/own.ogg", "validation", 23),
    }
    assert {t.version for t in tracks} == {"1.0", "2.5", "3"}
    assert recorded.load(downloaded, verify=True) == tracks
    left = {p.name for p in downloaded.iterdir()}
    assert left == {*THREE, "packages", "manifest.json"}  # nothing half done stays


def test_a_collection_goes_on_where_it_stopped(downloaded):
    first = recorded.collect(downloaded, packages=THREE[:1])
    before = (downloaded / first[0].path).stat().st_mtime_ns
    both = recorded.collect(downloaded, packages=THREE)
    assert len(both) == 3
    assert (downloaded / first[0].path).stat().st_mtime_ns == before
    written = (downloaded / "manifest.json").read_bytes()
    assert recorded.collect(downloaded, packages=THREE) == both
    assert (downloaded / "manifest.json").read_bytes() == written


def test_the_order_of_packages_does_not_matter(downloaded, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(downloaded / "packages", other / "packages")
    one = recorded.collect(downloaded, packages=("naev-data", "nexuiz-music"))
    assert recorded.collect(other, packages=("nexuiz-music", "naev-data")) == one


def test_no_package_is_in_two_parts():
    names = [name for part in recorded.PACKAGES.values() for name in part]
    assert len(names) == len(set(names))


def test_bundled_tracks_are_known_by_package_and_file():
    tracks = recorded.bundled_tracks()
    assert len(tracks) == 134
    assert ("naev-data", "eureka.ogg") in tracks


@pytest.mark.parametrize("damage", ["deleted", "changed"])
def test_tracks_that_are_missing_or_changed_are_told(downloaded, damage):
    tracks = recorded.collect(downloaded, packages=THREE)
    path = downloaded / tracks[0].path
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DatasetError, match=f"1 of 3 tracks of .* such as {tracks[0].path}"):
        recorded.load(downloaded, verify=True)


@pytest.mark.parametrize(
    "text, problem",
    [(None, "holds no recorded music"), ("{", "cannot be read"), ('{"format": "x"}', "format 'x'")],
)
def test_what_is_no_collection_is_told(tmp_path, text, problem):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DatasetError, match=problem):
        recorded.load(tmp_path)


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "web"}))
    with pytest.raises(DatasetError):
        recorded.collect(tmp_path, packages=["naev-data"])
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def test_unknown_packages_are_told(tmp_path, capsys):
    command = ["data", "collect", "--out", str(tmp_path / "new"), "--packages", "vim"]
    assert main(command) == 2
    assert "vim: no package that music is taken from" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_without_debians_tools_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatasetError, match="apt-get is not installed here; use a Debian system"):
        recorded.collect(tmp_path / "new", packages=["naev-data"])
    assert list((tmp_path / "new" / "packages").iterdir()) == []


def test_a_damaged_package_is_told(tmp_path):
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "naev-data_1_all.deb").write_bytes(b"no package")
    with pytest.raises(DatasetError, match=r"package naev-data: dpkg-deb -f failed"):
        recorded.collect(tmp_path, packages=["naev-data"])


def test_the_command_counts_what_there_is(downloaded, capsys):
    assert main(["data", "collect", "--out", str(downloaded), "--packages", *THREE]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "test: 1 tracks, 0.0 h", "train: 1 tracks, 0.0 h", "validation: 1 tracks, 0.0 h",
    ]  # fmt: skip


@pytest.mark.parametrize("rate", [22050, 48000])
def test_clips_are_cut_where_there_is_sound(tmp_path, rate):
    path = tmp_path / "long.flac"
    time = np.arange(30 * rate) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * time) * ((time < 11) | (time > 17))
    soundfile.write(path, np.stack([tone, 0 * tone], axis=1), rate)
    track = recorded.Track("long.flac", "p", "1", "long.flac", "train", 30.0, "", "")
    cut = dict(recorded.cuts(tmp_path, track, 22050))
    assert list(cut) == [4.0, 20.0]  # not 12.0, in whose middle is silence
    for start, samples in cut.items():
        assert samples.shape == (4 * 22050,)
        expected = 0.25 * np.sin(2 * np.pi * 440 * (start + np.arange(4 * 22050) / 22050))
        assert np.abs(samples - expected)[2000:-2000].max() < 1e-3
