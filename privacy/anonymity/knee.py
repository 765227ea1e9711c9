"""Where more privacy begins to cost more than it did."""

from collections.abc import Sequence


def knee(costs: Sequence[float], gains: Sequence[float]) -> int:
    """The index of the point furthest above the line from the first to the last, both axes from 0 to 1.

    Kneedle (Satopää et al., 2011) without its smoothing: the points are few, and not noise. Raises ValueError
    for fewer than three points, and where nothing changes on an axis.
    """
    if len(costs) < 3 or len(costs) != len(gains):
        raise ValueError("a knee needs three points or more, each with a cost and a gain")
    cost, gain = costs[-1] - costs[0], gains[-1] - gains[0]
    if not cost or not gain:
        raise ValueError("costs or gains are the same at both ends: there is no knee")
    above = [(g - gains[0]) / gain - (c - costs[0]) / cost for c, g in zip(costs, gains, strict=True)]
    return max(range(len(above)), key=above.__getitem__)
