"""The check in_place."""

import defective_encoders as zoo
from checked import IN_PROCESS, found

from pytest_nnrel import check_encoder


def works_on_a_copy(batch):
    """Normalise a copy."""
    batch = batch.copy()
    return zoo.normalises_in_place(batch)


CAUGHT = {
    "normalises in place": lambda: zoo.normalises_in_place,
    "removes the mean in place": lambda: zoo.RemovesMeanInPlace(0),
}
PASSED = {
    "works on a copy": lambda: works_on_a_copy,
}


def test_windows_of_other_checks_do_not_suffer_from_changes_in_place(corpus):
    report = check_encoder(zoo.normalises_in_place, corpus=corpus, checks=IN_PROCESS)
    assert found(report) == {"in_place"}
    assert "8 of 8 windows are changed" in report.findings[0].seen
