"""``reproduction.html``: one page without network access, made from the results alone."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_nnrel.report.html import environment
from pytest_nnrel.runtime.files import replace_text
from reference_models.checkpoint import BASELINE
from reference_models.errors import ReproductionError
from reference_models.paper import analysis, figures
from reference_models.paper.claims import CLAIMS
from reference_models.paper.drawing import COLOURS_ON_DARK
from reference_models.paper.results import RESULTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reference_models.paper.analysis import Table
    from reference_models.paper.claims import Claim
    from reference_models.paper.results import Results

FORMAT = "pytest-nnrel reproduction analysis"
VERSION = 1
#: Outcomes of claims in words, and how the page marks them.
_KINDS = {"holds": "holds", "does not hold": "fails", "not judged": "open"}


@dataclass(frozen=True)
class Judged:
    """A claim with what became of it.

    Attributes
    ----------
    number : int
    text, place : str
        The claim, and where the paper makes it.
    outcome : {"holds", "does not hold", "not judged"}
    explanation : str
        What was found, or what is missing.
    statistic : dict
        Plain values; empty where nothing was judged.
    """

    number: int
    text: str
    place: str
    outcome: str
    explanation: str
    statistic: dict[str, Any]

    @property
    def kind(self) -> str:
        """Class of the outcome in the page."""
        return _KINDS[self.outcome]


def write(results: Results, out: Path) -> Path:
    """Write ``reproduction.html`` with the data behind it.

    ``reproduction.json`` has the results (`Results.save`), ``analysis.json`` the tables and the
    outcomes of the claims.

    Parameters
    ----------
    results : Results
    out : Path
        A folder; made where it is missing.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ReproductionError
        If the results have a card that is none of a checkpoint. They are kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    results.save(out / RESULTS)  # first: they cost the most
    claims = [_judge(claim, results) for claim in CLAIMS]
    tables = analysis.tables(results)
    page = render(results, claims, tables)
    plain = {
        "format": FORMAT,
        "version": VERSION,
        "claims": [asdict(claim) for claim in claims],
        "tables": [asdict(table) for table in tables],
    }
    text = json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    replace_text(out / "analysis.json", text)
    replace_text(out / "reproduction.html", page)
    return out / "reproduction.html"


def render(results: Results, claims: Sequence[Judged], tables: Sequence[Table]) -> str:
    """Return the page."""
    templates = environment("reference_models.paper")
    templates.filters |= {"cell": _cell, "exact": _exact}
    templates.tests["of_paper"] = lambda column: column.startswith("paper")
    return templates.get_template("reproduction.html").render(
        headline=_headline(claims),
        verdict=_verdict(results, claims),
        claims=claims,
        tables=tables,
        figures=figures.draw(results),
        cards=[_card(name, card) for name, card in sorted(results.encoders.items())],
        results=results,
        colours_on_dark=COLOURS_ON_DARK,
    )


def _judge(claim: Claim, results: Results) -> Judged:
    try:
        outcome = claim(results)
    except ReproductionError as error:
        missing = str(error)
        explanation = f"{missing[:1].upper()}{missing[1:]}."
        return Judged(claim.number, claim.text, claim.place, "not judged", explanation, {})
    return Judged(
        claim.number,
        claim.text,
        claim.place,
        "holds" if outcome.holds else "does not hold",
        outcome.explanation,
        outcome.statistic,
    )


def _headline(claims: Sequence[Judged]) -> str:
    counts = Counter(claim.outcome for claim in claims)
    if counts["not judged"] == len(claims):
        return f"None of the paper's {len(claims)} claims could be judged"
    verb = "holds" if counts["holds"] == 1 else "hold"
    headline = f"{counts['holds']} of the paper's {len(claims)} claims {verb} here"
    if counts["not judged"]:
        headline += f"; {counts['not judged']} could not be judged"
    return headline


def _verdict(results: Results, claims: Sequence[Judged]) -> str:
    """Return what became of the claims, on what, in a paragraph."""
    told = {
        "holds": "As in the paper",
        "does not hold": "Not as in the paper",
        "not judged": "Not judged, for lack of data",
    }
    numbers = {
        outcome: [str(claim.number) for claim in claims if claim.outcome == outcome]
        for outcome in told
    }
    trials: dict[str, set[int]] = defaultdict(set)
    for row in results.consistency:
        if row.encoder not in ("", BASELINE):
            trials[row.encoder].add(row.trial)
    trainings = _listed([f"{len(found)} of {name.upper()}" for name, found in trials.items()])
    sentences = [
        *(
            f"{told[outcome]}: claim{'s' if len(found) > 1 else ''} {_listed(found)}."
            for outcome, found in numbers.items()
            if found
        ),
        f"Measured at scale {results.scale} on {results.corpus['clips']} clips"
        f" ({results.corpus['name']}){f'; trainings: {trainings}' if trainings else ''}.",
        "C_W depends on the corpus and on how many clips it has: compare its order and its curves"
        " with the paper's, which had 1,000 clips, rather than its size.",
    ]
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _cell(value: object) -> str:
    """Return a plain value as a reader wants it."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < value < 0.0005:
        return "< 0.001"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:z.3f}"


def _exact(value: object) -> str:
    """Return a plain value of a card or a statistic."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "–" if value is None else str(value)


def _card(name: str, card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table tells of a card, and the rest of it without curves."""
    try:
        row = {
            "network": name,
            "task": card["task"],
            "encoder": card["encoder"],
            "dataset": card["recipe"]["dataset"],
            "training clips": card["data"]["train"]["clips"],
            "epochs": len(card["curves"]),
            "scores": "; ".join(
                f"{part}: {_score(score)}" for part, score in card["scores"].items()
            ),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ReproductionError(
            f"the card of {name} lacks what training writes: {type(error).__name__} {error}; train"
            " it again"
        ) from error
    return {"name": name, "row": row, "details": {k: v for k, v in card.items() if k != "curves"}}


def _score(score: Mapping[str, Any]) -> str:
    told = f"{score['measure']} {_cell(score['value'])} on {score['clips']} clips"
    if score["compared"] is not None:
        told += f" ({_cell(score['compared'])} without a network)"
    return told
