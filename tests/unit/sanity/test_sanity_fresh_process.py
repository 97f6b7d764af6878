"""The check fresh_process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import defective_encoders as zoo
import numpy as np
import pytest

from pytest_nnrel import check_encoder
from pytest_nnrel.experiment.stores import close_stores
from pytest_nnrel.runtime import settings
from pytest_nnrel.runtime.settings import Settings
from pytest_nnrel.sanity.checks import fresh_process


def seeded_weights(batch):
    """Project by weights that are the same in every process."""
    embeddings = zoo.log_bands(batch)
    return embeddings @ np.random.default_rng(0).standard_normal((embeddings.shape[1], 24))


CAUGHT = {
    "hashed weights": lambda: zoo.hashed_weights,
    "weights of the import": lambda: zoo.weights_of_the_import,
}
PASSED = {
    "seeded weights": lambda: seeded_weights,
}


def test_what_cannot_be_pickled_is_skipped(short):
    class Locked:
        def __init__(self):
            self.generator = (i for i in range(3))

        def encode(self, batch):
            return zoo.log_bands(batch)

    report = check_encoder(Locked(), corpus=short, checks="fresh_process")
    assert "cannot be pickled for another process" in report.skipped["fresh_process"]


def test_what_cannot_be_imported_there_is_skipped_with_what_it_said(short, monkeypatch):
    module = type(sys)("nnrel_only_here")
    exec("def encode(batch): return batch[:, :5] * 2.0", vars(module))
    monkeypatch.setitem(sys.modules, "nnrel_only_here", module)
    report = check_encoder(module.encode, corpus=short, checks="fresh_process")
    assert "No module named 'nnrel_only_here'" in report.skipped["fresh_process"]


def test_a_process_that_takes_too_long_is_given_up(short, monkeypatch):
    monkeypatch.setattr(fresh_process, "PROCESS_SECONDS", 0.05)
    report = check_encoder(zoo.log_bands, corpus=short, checks="fresh_process")
    assert report.skipped == {"fresh_process": "a fresh process took over 0.05 s"}


def test_closures_travel(short):
    scale = np.arange(1.0, 6.0)
    report = check_encoder(lambda batch: batch[:, :5] * scale, corpus=short, checks="fresh_process")
    assert report.passed == ("fresh_process",)


def test_under_pytest_an_encoder_of_the_test_module_travels(tmp_path):
    (tmp_path / "test_user.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from pytest_nnrel import Corpus
            from pytest_nnrel.sanity import assert_encoder_sane

            class Mine:
                def encode(self, batch):
                    order = np.array([hash(c) % 7 for c in "abcde"])
                    return batch[:, :5] * (order if self.hashed else 1.0)

            def mine(hashed):
                encoder = Mine()
                encoder.hashed = hashed
                return encoder

            def test_sound():
                assert_encoder_sane(mine(False), corpus=CORPUS, checks="fresh_process")

            def test_hashed():
                assert_encoder_sane(mine(True), corpus=CORPUS, checks="fresh_process")

            CORPUS = Corpus.bundled().subset(2)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-mpytest", "-pno:cacheprovider", "-pno:hypothesispytest", "-q"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "fresh_process: the same result in a fresh process" in done.stdout


def test_no_files_are_left(short, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = Settings(cache_dir=None)
    token = settings.activate(run)
    try:
        check_encoder(zoo.log_bands, corpus=short, checks="fresh_process")
    finally:
        settings.deactivate(token)
        close_stores(run)
    assert [path for path in Path(tmp_path).rglob("*") if path.is_file()] == []


class KnowsItsProcess:
    """Encodes in the process that it was made in only."""

    def __init__(self, elsewhere):
        self.home, self.elsewhere = os.getpid(), elsewhere

    def encode(self, batch):
        spectra = np.abs(np.fft.rfft(batch[:, :2048]))[:, :50]
        if os.getpid() == self.home:
            return spectra
        if self.elsewhere == "raises":
            raise ValueError("weights not loaded")
        return spectra * np.nan


@pytest.mark.parametrize("elsewhere, said", [("raises", "weights not loaded"), ("nan", "NaN")])
def test_what_does_not_encode_in_a_fresh_process_is_a_finding(elsewhere, said, short):
    report = check_encoder(KnowsItsProcess(elsewhere), corpus=short, checks="fresh_process")
    (finding,) = report.findings
    assert finding.seen.startswith("in a fresh process, ")
    assert said in finding.seen
