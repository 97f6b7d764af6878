"""Rendered music: scores, their sound, and tags that are true of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import librosa
import numpy as np
import pytest

from reference_models.datasets.rendered import clips, parts, synthesis, voices
from reference_models.datasets.rendered.fluidsynth import FluidSynth
from reference_models.datasets.rendered.instruments import INSTRUMENTS, VOICE
from reference_models.datasets.rendered.score import Line, Note, compose
from reference_models.datasets.rendered.tags import TAGS, Sound, tags_of
from reference_models.errors import DatasetError

SECONDS = 4.0
RATE = 22050
WHEELS = parts.find("wheels")
(FONT,) = WHEELS.soundfonts.values()


def score(seed, instrument=None):
    return compose(np.random.default_rng(seed), SECONDS, instrument=instrument)


def loud(score, level=0.1, **levels):
    """Return a sound in which every line is noise, at one level unless told."""
    rng = np.random.default_rng(0)
    roles = ["lead", *(line.role for line in score.accompaniment)]
    return Sound({role: levels.get(role, level) * rng.normal(size=2 * RATE) for role in roles})


@pytest.fixture(scope="module")
def sung():
    return voices.Voices.speak(
        WHEELS, {"female": ("en+f1",), "male": ("en+m3",)}, ("la", "me", "so")
    )


@pytest.fixture(scope="module")
def synthesiser():
    with synthesis.Synthesiser(FONT, WHEELS.fluidsynth, RATE) as made:
        yield made


def test_scores_follow_from_their_seed():
    assert score(3) == score(3)
    assert score(3) != score(4)


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.code)
def test_leads_play_in_their_range_and_in_every_two_seconds(instrument):
    for seed in range(60):
        piece = score(seed, instrument)
        lowered = 12 if piece.sex == "male" else 0
        assert piece.accompaniment
        for note in piece.lead.notes:
            assert instrument.lowest - lowered <= note.key <= instrument.highest - lowered
            assert 0 <= note.start < SECONDS
            assert note.end > note.start
            assert 1 <= note.velocity <= 127
        begun = np.array([0.0, *(note.start for note in piece.lead.notes), SECONDS])
        assert np.diff(np.unique(begun)).max() < 2.0


def test_melodies_and_chords_are_in_the_key():
    major, minor = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10}
    for seed in range(60):
        piece = score(seed)
        lines = (piece.lead, *piece.accompaniment)
        pitched = [line for line in lines if line.role in ("lead", "chords", "bass")]
        keys = {(note.key - piece.tonic) % 12 for line in pitched for note in line.notes}
        assert keys <= (minor if piece.minor else major)


def test_there_are_fifty_tags_and_each_tells_clips_apart():
    assert len(TAGS) == len(set(TAGS)) == 50
    levels = (0.005, 0.05, 0.15)
    tagged = [
        tags_of(piece, loud(piece, levels[seed % 3]), SECONDS)
        for seed in range(400)
        for piece in [score(seed)]
    ]
    counts = Counter(tag for tags in tagged for tag in tags)
    assert set(counts) == set(TAGS)
    assert max(counts.values()) < 0.9 * len(tagged)
    assert all(list(tags) == sorted(tags, key=TAGS.index) for tags in tagged)


def test_what_does_not_sound_has_no_tag():
    piece = next(
        piece
        for piece in map(score, range(100))
        if {"drums", "bass"} <= {line.role for line in piece.accompaniment}
    )
    (bass,) = [f"{line.family} bass" for line in piece.accompaniment if line.role == "bass"]
    assert {"drums", bass} <= set(tags_of(piece, loud(piece), SECONDS))
    assert not {"drums", bass} & set(tags_of(piece, loud(piece, drums=1e-4, bass=0), SECONDS))


def test_tags_tell_what_the_middle_is_like():
    piece = score(0, INSTRUMENTS[2])
    notes = tuple(Note(1 + 0.2 * i, 1.1 + 0.2 * i, 80, 90) for i in range(10))
    fast = replace(piece, tempo=150.0, lead=replace(piece.lead, notes=notes), minor=False, tonic=4)
    tags = tags_of(fast, loud(fast), SECONDS)
    assert {"flute lead", "fast", "busy melody", "high melody", "loud", "major"} <= set(tags)
    outside = tuple(Note(t, t + 0.1, 50, 90) for t in (0.2, 0.4, 0.6, 1.5, 3.2, 3.6))
    slow = replace(fast, tempo=60.0, lead=replace(piece.lead, notes=outside))
    tags = tags_of(slow, loud(slow, lead=0.005, chords=0.005, bass=0, drums=0), SECONDS)
    assert {"slow", "sparse melody", "low melody"} <= set(tags)


def test_a_quarter_is_sung_and_the_rest_is_even():
    counts = Counter(clips.lead_of(index).code for index in range(400))
    assert counts.pop("voi") == 100
    assert set(counts.values()) == {30}
    assert len(counts) == 10


def heard(samples, notes):
    """Return the deviations of the pitch that is heard from notes, in semitones."""
    lowest, highest = (f(440 * 2 ** ((n.key - 69) / 12) for n in notes) for f in (min, max))
    f0 = librosa.yin(samples, fmin=0.7 * lowest, fmax=1.4 * highest, sr=RATE)
    times = librosa.times_like(f0, sr=RATE)
    return [
        69 + 12 * np.log2(f0[index] / 440) - note.key
        for note in notes
        for index in np.flatnonzero((times > note.start + 0.15) & (times < note.end - 0.05))
    ]


MELODY = tuple(Note(0.6 * i, 0.6 * i + 0.55, key, 100) for i, key in enumerate((60, 64, 67, 62)))


@pytest.mark.parametrize("cents", [0.0, 40.0])
def test_instruments_are_rendered_at_their_pitch(synthesiser, cents):
    flute = Line("lead", "flu", 73, MELODY)
    off = heard(synthesiser.render(flute, SECONDS, cents=cents), MELODY)
    assert abs(100 * np.median(off) - cents) < 10


@pytest.mark.parametrize(("sex", "octave"), [("female", 0), ("male", -12)])
def test_voices_sing_the_melody(sung, sex, octave):
    notes = tuple(replace(note, key=note.key + octave) for note in MELODY)
    line = Line("lead", "voi", None, notes)
    samples = voices.sing(line, sung, sex, SECONDS, np.random.default_rng(1), cents=0.0)
    assert samples.shape == (round(SECONDS * RATE),)
    off = np.array(heard(samples, notes))
    assert abs(np.median(off)) < 0.2
    assert np.mean(np.abs(off) < 0.7) > 0.85
    silent = samples[round(2.6 * RATE) :]
    assert np.abs(silent).max() < 0.01 * np.abs(samples).max()


def test_a_line_sounds_the_same_whatever_was_rendered_before(synthesiser):
    sax = Line("lead", "sax", 65, MELODY)
    before = synthesiser.render(sax, SECONDS, swells=(1.0, 0.6))
    drums = Line("drums", "", 0, tuple(Note(0.1 * i, 0.1 * i + 0.05, 38, 110) for i in range(30)))
    synthesiser.render(drums, SECONDS)
    assert np.array_equal(synthesiser.render(sax, SECONDS, swells=(1.0, 0.6)), before)
    with synthesis.Synthesiser(FONT, WHEELS.fluidsynth, RATE) as another:
        assert np.array_equal(another.render(sax, SECONDS, swells=(1.0, 0.6)), before)


def test_nothing_is_printed_by_the_synthesiser(capfd):
    with synthesis.Synthesiser(FONT, WHEELS.fluidsynth, RATE) as made:
        made.render(Line("lead", "sax", 65, MELODY), 1.0)
    assert capfd.readouterr() == ("", "")


def test_clips_are_of_their_number_alone(synthesiser, sung):
    made = [clips.render_clip(7, "test", index, {"one": synthesiser}, sung) for index in (4, 5)]
    again = clips.render_clip(7, "test", 4, {"one": synthesiser}, sung)
    assert np.array_equal(again.mixture, made[0].mixture)
    assert again.tags == made[0].tags
    other = clips.render_clip(7, "validation", 4, {"one": synthesiser}, sung)
    assert not np.array_equal(other.mixture, again.mixture)


@pytest.mark.parametrize("index", [0, 4, 8, 1, 2, 3])
def test_leads_are_at_their_level_and_nothing_clips(synthesiser, sung, index):
    clip = clips.render_clip(0, "train", index, {"one": synthesiser}, sung)
    assert clip.mixture.shape == (round(clips.SECONDS * RATE),)
    assert clip.mixture.dtype == np.float32
    assert 0.005 < np.abs(clip.mixture).max() < 0.99
    assert clip.tags[0].endswith("lead")
    assert (clip.voice is not None) == (clip.instrument == VOICE.code) == (index % 4 == 0)
    if clip.voice is not None:
        rest = clip.mixture - clip.voice
        level = 10 * np.log10(np.mean(clip.voice**2) / np.mean(rest**2))
        # Room and tone, which come after levels, do not change lead and rest alike.
        assert abs(level - clip.facts["lead_db"]) < 4


def test_what_is_no_soundfont_is_told(tmp_path, capfd):
    path = tmp_path / "broken.sf2"
    path.write_bytes(b"RIFF")
    with pytest.raises(DatasetError, match=r"broken\.sf2 is no SoundFont"):
        synthesis.Synthesiser(path, WHEELS.fluidsynth, RATE)
    capfd.readouterr()


def test_a_line_can_be_tuned_swell_and_be_drummed(synthesiser):
    sax = Line("lead", "sax", 65, (Note(0.0, 3.9, 60, 100),))
    swelling = synthesiser.render(sax, SECONDS, swells=(0.2, 1.0))
    assert np.abs(swelling[: 2 * RATE]).max() < 0.3 * np.abs(swelling[2 * RATE :]).max()
    snare = Line("drums", "", 0, (Note(0.0, 0.1, 38, 110),))
    hit = synthesiser.render(snare, 1.0)
    assert librosa.feature.spectral_flatness(y=hit[: RATE // 10]).mean() > 0.01


def test_voices_are_spoken_the_same_each_time(sung):
    again = voices.Voices.speak(WHEELS, {"male": ("en+m3",)}, ("so", "la"))
    begin, end = again.spans["en+m3", "la"]
    before = slice(*sung.spans["en+m3", "la"])
    assert np.array_equal(again.envelopes[begin:end], sung.envelopes[before])
    assert voices.version(WHEELS).startswith("1.")


# -- parts that are missing


def test_a_soundfont_that_is_missing_is_told_with_its_package(tmp_path):
    with pytest.raises(DatasetError, match="apt-get install fluid-soundfont-gm"):
        parts.find("debian", soundfonts=tmp_path)


def test_a_library_that_is_missing_is_told_with_its_package(soundfonts, monkeypatch):
    monkeypatch.setattr(parts, "find_library", {"fluidsynth": "libfluidsynth.so.3"}.get)
    with pytest.raises(DatasetError, match=r"apt-get install espeak-ng.*--parts wheels"):
        parts.find("debian", soundfonts=soundfonts)
    monkeypatch.setattr(parts, "find_library", {}.get)
    with pytest.raises(DatasetError, match=r"apt-get install libfluidsynth3.*--parts wheels"):
        parts.find("debian", soundfonts=soundfonts)


@pytest.mark.parametrize("missing", ["pygame-ce", "espeakng-loader", "pretty_midi"])
def test_a_wheel_that_is_missing_is_told_with_its_extra(monkeypatch, missing):
    files = parts.metadata.files

    def without(distribution):
        if distribution == missing:
            raise parts.metadata.PackageNotFoundError(distribution)
        return files(distribution)

    monkeypatch.setattr(parts.metadata, "files", without)
    with pytest.raises(
        DatasetError, match=rf"{missing}: pip install 'pytest-nnrel-models\[train\]'"
    ):
        parts.find("wheels")


def test_a_wheel_without_the_library_is_told(monkeypatch):
    monkeypatch.setattr(parts.metadata, "files", lambda _distribution: [])
    with pytest.raises(DatasetError, match=r"pretty_midi .* has no TimGM6mb\.sf2 .*--parts debian"):
        parts.find("wheels")


def test_parts_of_another_source_are_refused():
    with pytest.raises(DatasetError, match="from wheels or debian, not from 'conda'"):
        parts.find("conda")


def test_what_is_no_fluidsynth_is_told(tmp_path):
    with pytest.raises(DatasetError, match=r"libnothing\.so is no FluidSynth"):
        FluidSynth(str(tmp_path / "libnothing.so"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"espeak": "libnothing.so"}, "libnothing.so.*cannot say 'la'"),
        ({"espeak_data": "nowhere"}, "finds no data in nowhere"),
    ],
)
def test_an_espeak_that_does_not_work_is_told(change, message):
    with pytest.raises(DatasetError, match=message):
        voices.version(replace(WHEELS, **change))


def test_a_voice_that_there_is_not_is_told():
    with pytest.raises(DatasetError, match=r"has no voice nobody"):
        voices.Voices.speak(WHEELS, {"male": ("nobody",)}, ("la",))


# -- the two choices


@pytest.fixture
def soundfonts(tmp_path):
    """Return a folder with Debian's SoundFonts, below it; each is the smallest of them."""
    below = tmp_path / "usr" / "share"
    below.mkdir(parents=True)
    for font in (*parts.SOUNDFONTS, parts.HELD_OUT):
        (below / font.file).symlink_to(FONT)
    return tmp_path


def test_wheels_have_one_soundfont_and_none_to_hold_out():
    assert list(WHEELS.soundfonts) == ["timgm6mb"]
    assert WHEELS.packages == {"timgm6mb": "pretty_midi"}
    assert not WHEELS.held_out


def test_soundfonts_of_debian_serve_what_is_of_wheels(soundfonts):
    found = parts.find("wheels", soundfonts=soundfonts)
    assert found.fluidsynth == WHEELS.fluidsynth
    assert list(found.soundfonts) == ["fluid", "musescore"]
    assert found.held_out == {"timgm6mb": soundfonts / "usr" / "share" / "TimGM6mb.sf2"}
    assert found.packages["fluid"] == "fluid-soundfont-gm"
