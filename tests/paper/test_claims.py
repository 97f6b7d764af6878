"""The paper's claims, judged by the results that come with the package.

Scale ``small``: the paper's 94 magnitudes, on the 134 bundled clips, one trial of each encoder.
Statistics and thresholds are those of `reference_models.paper.claims`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from reference_models.paper.claims import CLAIMS
from reference_models.paper.reproduction import MEASURED
from reference_models.paper.results import load

SCRIPT = Path(__file__).parents[2] / "scripts" / "ship_reference_models.py"
#: Claims that do not hold on this music with these encoders, and why they may not.
DIFFERENT: dict[int, str] = {}


@pytest.fixture(scope="module")
def measured():
    return load(MEASURED)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            claim,
            id=f"claim {claim.number}",
            marks=[pytest.mark.xfail(strict=True, raises=AssertionError, reason=DIFFERENT[n])]
            if (n := claim.number) in DIFFERENT
            else [],
        )
        for claim in CLAIMS
    ],
)
def test_the_papers_claim_holds(claim, measured):
    outcome = claim(measured)
    assert outcome.holds, outcome.explanation


def test_the_readme_tells_scores_and_claims_as_they_are():
    spec = importlib.util.spec_from_file_location("ship_reference_models", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = script.README.read_text(encoding="utf-8")
    for name, section in script.sections().items():
        assert f"<!-- {name} -->\n{section}<!-- /{name} -->" in text
