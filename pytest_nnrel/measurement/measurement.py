"""A measurement, and what can be asked of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pytest_nnrel.errors import CorpusError, SettingError, UndefinedMeasureError
from pytest_nnrel.runtime.scalars import is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from pytest_nnrel.measurement.facts import Details, PlainMeasurement, WorstClip


@dataclass(frozen=True)
class AmongClips:
    """C_W as it would be among fewer clips, see `Measurement.at`.

    Attributes
    ----------
    n : int
        Clips.
    value : float
    ci : (float, float)
        95 % interval, over the clips measured or their groups: Wilson's, of as many outcomes as
        the chances of the clips are worth.
    """

    n: int
    value: float
    ci: tuple[float, float]


class Part(NamedTuple):
    """A proportion of some clips, see `Measurement.by`.

    Attributes
    ----------
    value : float
    ci : (float, float)
        95 % interval, as that of the whole.
    n : int
        Clips.
    """

    value: float
    ci: tuple[float, float]
    n: int


class LabelledClips(Protocol):
    """What `Measurement.by` asks of a corpus; `Corpus` has it."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]: ...


@dataclass(frozen=True)
class Clips:
    """What is known of the clips of a measurement, in their order.

    Attributes
    ----------
    groups : tuple of str
        `Corpus.groups`.
    labels : mapping of str to tuple of str
        `Corpus.labels`.
    """

    groups: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Measurement:
    """A measured consistency.

    Parameters
    ----------
    measure : str
        ``"within"``, ``"audio"``, ``"accuracy"``, ``"rho"``, ``"across"``, ``"exemplar"``,
        ``"monotone"``, ``"sensitivity"``, ``"equivariance"`` or ``"directions"``.
    value : float
    ci : (float, float)
        95 % interval: Wilson's for proportions, of as many clips as those of groups are worth;
        for rho, Student's of Fisher's z, whose error is bootstrapped over clips or groups.
    n : int
        Clips.
    outcomes : tuple of bool
        Per clip, in the corpus's order: whether the own original is nearest; for ``"accuracy"``,
        whether both spaces agree; empty for ``"rho"``.
    worst : tuple of WorstClip
        The clips that fared worst: id, distance to the own original, nearest other original, its
        distance.
    details : Details
        Everything that identifies and qualifies the value, as plain values: under ``"identity"``
        what was measured, and beside it corpus, encoder, transformation, chance level, margins,
        ties and checks.
    timings : dict of str to float
        Seconds by stage. They vary from run to run; the rest does not.
    clips : Clips or None
        Groups and labels of the clips, which `by` goes by; None where it was read, `from_dict`.
    """

    measure: str
    value: float
    ci: tuple[float, float]
    n: int
    outcomes: tuple[bool, ...]
    worst: tuple[WorstClip, ...]
    details: Details
    timings: dict[str, float] = field(default_factory=dict)
    clips: Clips | None = field(default=None, compare=False, repr=False)

    @property
    def ranks(self) -> tuple[int, ...]:
        """How many originals are nearer than its own, per clip in the corpus's order.

        One that is as near counts as nearer, as it does in the measure (paper eq. 9). Of the latent
        space for ``"accuracy"``; empty for ``"rho"``, and for what was measured before 0.2.
        """
        return tuple(self.details.get("ranks", ()))

    @property
    def mean_rank(self) -> float:
        """Share of the other originals that are nearer than the own one, mean over clips.

        0 is best, about .5 is chance. Unlike C_W it does not depend on the number of clips.

        Raises
        ------
        UndefinedMeasureError
            If there are no ranks of all clips, as for ``"rho"`` and ``"exemplar"``.
        """
        others = self.details.get("others", self.n * [self.n - 1])
        shares = (rank / count for rank, count in zip(self._ranks_of_all(), others))
        return sum(shares) / self.n

    def at(self, n: int, *, groups: Sequence[str] | None = None) -> AmongClips:
        """Return C_W as it would be among n clips of the corpus, the mean over all choices of n.

        It is exact: the chance that none of n - 1 others, drawn without return, is nearer than the
        own original follows from the clip's rank. Where clips share groups, the others are of other
        groups than the clip, as in the measurement. So corpora of different sizes can be compared.

        Parameters
        ----------
        n : int
            From 2 to the number of clips measured; less where clips share groups, by the relatives
            that do not compete.
        groups : sequence of str, optional
            `Corpus.groups`, which the interval is over; needed where clips share one.

        Returns
        -------
        AmongClips

        Raises
        ------
        SettingError
            If `n` is no whole number.
        UndefinedMeasureError
            If the measure is no C_W.
        TooFewClipsError
            If fewer than `n` clips were measured, or `n` is below 2.
        CorpusError
            If clips share groups, which are not given, or are of another corpus.
        """
        from pytest_nnrel.statistics import intervals

        chances = self.chances_at(n)
        count = self.details["corpus"]["groups"]
        if groups is None and count == self.n:
            groups = [str(clip) for clip in range(self.n)]
        if groups is None or len(groups) != self.n or len(set(groups)) != count:
            given = "none are given" if groups is None else f"{len(set(groups))} are given"
            raise CorpusError(
                f"{self.n} clips of {count} groups were measured, and {given}; the interval is over"
                " groups: pass groups=corpus.groups"
            )
        return AmongClips(n, float(chances.mean()), intervals.proportion_interval(chances, groups))

    def chances_at(self, n: int) -> npt.NDArray[np.float64]:
        """Return of each clip the chance that its own original is the nearest among n clips.

        Parameters
        ----------
        n : int
            As in `at`.

        Returns
        -------
        float64[clips]

        Raises
        ------
        SettingError, UndefinedMeasureError, TooFewClipsError
            As `at` does.
        """
        import numpy as np

        from pytest_nnrel.statistics import consistency

        if not is_whole(n):
            raise SettingError(f"at(n) takes a whole number of clips, not {n!r}")
        if self.measure not in ("within", "audio"):
            raise UndefinedMeasureError(
                f"at(n) is of C_W ('within', 'audio'); what ranks say of {self.measure!r} among"
                " fewer clips is not defined"
            )
        ranks = np.asarray(self._ranks_of_all(), dtype=np.intp)
        others = np.asarray(self.details.get("others", self.n * [self.n - 1]), dtype=np.intp)
        return consistency.chances_among(ranks, others, n)

    def by(self, label: str, *, corpus: LabelledClips | None = None) -> dict[str, Part]:
        """Return the proportion of the clips of each value of a label.

        All clips compete as they did: it is the measurement's own outcomes that are counted apart.

        Parameters
        ----------
        label : str
            One of `Corpus.labels`.
        corpus : Corpus, optional
            What was measured on; needed for a measurement that was read, `from_dict`.

        Returns
        -------
        dict of str to Part
            Value, interval and number of clips by the label's value, sorted; clips without the
            label are under ``""``.

        Raises
        ------
        UndefinedMeasureError
            If the measure is no proportion of the clips of a corpus, as rho, which is of pairs.
        CorpusError
            If no clip has the label, with those that there are; if labels are not known, or the
            corpus is another.
        """
        import numpy as np

        from pytest_nnrel.statistics import intervals

        if self.measure not in ("within", "audio", "accuracy"):
            raise UndefinedMeasureError(
                f"by(label) is of proportions of clips ('within', 'audio', 'accuracy'), and"
                f" {self.measure!r} is none; measure it on the clips of one value, such as"
                " corpus.subset(lambda clip: clip.labels[...] == ...)"
            )
        clips = self.clips if corpus is None else Clips(corpus.groups, corpus.labels)
        if corpus is not None and corpus.fingerprint != self.details["corpus"]["fingerprint"]:
            raise CorpusError(
                f"measured on corpus {self.details['corpus']['name']!r}, and corpus {corpus.name!r}"
                " holds other clips; pass the one that was measured on"
            )
        if clips is None:
            raise CorpusError(
                "labels are not kept with a measurement that is read; pass corpus=, the one that"
                " was measured on"
            )
        if label not in clips.labels:
            known = ", ".join(clips.labels) or "none"
            raise CorpusError(f"the clips have no label {label!r}; their labels: {known}")
        values, outcomes = np.array(clips.labels[label]), np.array(self.outcomes)
        groups = np.array(clips.groups)
        parts = {}
        for value in sorted(set(clips.labels[label])):
            chosen = values == value
            ci = intervals.proportion_interval(outcomes[chosen], groups[chosen].tolist())
            parts[value] = Part(float(outcomes[chosen].mean()), ci, int(chosen.sum()))
        return parts

    def _ranks_of_all(self) -> tuple[int, ...]:
        if len(self.ranks) != self.n or self.n < 2:
            raise UndefinedMeasureError(
                f"{len(self.ranks)} ranks of {self.n} clips are known of this measurement"
                f" ({self.measure!r}); they come with C_W of a corpus, from version 0.2 on"
            )
        return self.ranks

    def as_dict(self) -> PlainMeasurement:
        """Return the measurement as builtins that JSON can hold; no NaN among them."""
        return {
            "measure": self.measure,
            "value": float(self.value),
            "ci": [float(bound) for bound in self.ci],
            "n": int(self.n),
            "outcomes": "".join("1" if outcome else "0" for outcome in self.outcomes),
            "worst": _finite(self.worst),
            "details": _finite(self.details),
            "timings": dict(self.timings),
        }

    @classmethod
    def from_dict(cls, plain: PlainMeasurement) -> Measurement:
        """Return the measurement that `as_dict` gave."""
        return cls(
            measure=plain["measure"],
            value=plain["value"],
            ci=(plain["ci"][0], plain["ci"][1]),
            n=plain["n"],
            outcomes=tuple(outcome == "1" for outcome in plain["outcomes"]),
            worst=tuple(plain["worst"]),
            details=plain["details"],
            timings=plain["timings"],
        )


def _finite(value: Any) -> Any:  # noqa: ANN401
    """Return builtins, with None for floats that are not finite."""
    if hasattr(value, "tolist"):  # of numpy, which is not imported here
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
