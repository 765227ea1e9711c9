"""What a sketch's observed error is judged by: what it promised, and what chance may do at most."""

from collections.abc import Iterable
from math import exp, log, log1p, sqrt
from typing import Final

import msgspec

from sketches.sketch import CONFIDENCE

CHANCE: Final = 1e-9
"""A bound is called broken where chance alone breaks it so as seldom as this, in one look: many looks at many
sketches, every minute for years, raise no false alert."""

HOEFFDING: Final = sqrt(log(2 / CHANCE) / log(2 / (1 - CONFIDENCE)))
"""A bound by Hoeffding's inequality at 99 %, times this (2.01), holds but for that chance."""

NORMAL: Final = 2.0
"""The same of a bound at three standard deviations: at six (10^-9 of a normal distribution)."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One sketch beside exact numbers, at one time. Errors are in the unit of the bound."""

    sketch: str
    what: str
    exact: float
    estimate: float
    error: float
    """How far the estimate that is worst was off."""
    bound: float
    """What the sketch promises: always, or with the confidence that its class says."""
    broken: str = ""
    """Why the sketch must be wrong; empty where it need not be."""

    @property
    def ratio(self) -> float:
        """Observed error over promised one; 0 of nothing promised and nothing wrong."""
        return self.error / self.bound if self.bound else float(self.error > 0)


def worst(findings: Iterable[Finding]) -> list[Finding]:
    """Of each sketch the worst finding: a broken one, else that with the greatest ratio. By name."""
    found: dict[str, Finding] = {}
    for finding in findings:
        other = found.get(finding.sketch)
        if other is None or (bool(finding.broken), finding.ratio) > (bool(other.broken), other.ratio):
            found[finding.sketch] = finding
    return [found[name] for name in sorted(found)]


def beyond_chance(share: float, promised: float, looks: int) -> bool:
    """Whether so many independent looks, each wrong with at most the promised chance, cannot come to this.

    Hoeffding, JASA 58 (1963), theorem 1 (Chernoff's bound). `share`: of looks that are wrong; each may
    also be wrong in part.
    """
    if share <= promised or not looks:
        return False
    if promised <= 0:
        return True
    distance = share * log(share / promised)
    if share < 1:
        distance += (1 - share) * (log1p(-share) - log1p(-promised))
    return exp(-looks * distance) < CHANCE
