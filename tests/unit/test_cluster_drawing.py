"""The picture of clusters: every transaction and link is in it, apart from each other, always the same."""

from itertools import combinations
from math import hypot
from pathlib import Path
from typing import Any

import pytest

from app.plots.clusters import draw_clusters, laid_out, page_of
from sketches.clusters import graph
from sketches.likeness import Bounds, Likeness
from sketches.lsh import THRESHOLD
from streaming.errors import ConfigError


def card_tests(clusters: int = 2, shops: int = 3, cards: int = 12) -> dict[str, Any]:
    """The graph of sites where cards are tried, each under some names."""
    likeness = Likeness(Bounds(min_cards=5))
    for cluster in range(clusters):
        for shop in range(shops):
            for card in range(cards):
                likeness.update(
                    transaction_id=f"{cluster}-{shop}-{card}",
                    card=f"{cluster}-{card}",
                    category=f"<b>category {cluster}</b>",
                    merchant=f"shop {cluster}-{shop}",
                    amount=1.5,
                    latitude_deg=37.0,
                    longitude_deg=10.0 * cluster,
                    time_ms=1000 * card,
                )
    return graph(likeness.clusters(), THRESHOLD)


def test_all_is_in_the_picture() -> None:
    """No dot on another one."""
    found = card_tests()
    picture = laid_out(found)
    assert len(picture.dots) == len(found["nodes"]) == 72
    assert len(picture.lines) == len(found["links"])
    assert sum(dot.is_hub for dot in picture.dots) == 6
    assert min(hypot(a.x - b.x, a.y - b.y) for a, b in combinations(picture.dots, 2)) > 0.5
    assert picture.title == "2 clusters, 72 near-identical transactions of 24 cards"
    assert picture == laid_out(card_tests())


def test_names_are_no_tags() -> None:
    """They come from outside."""
    marks = page_of(laid_out(card_tests()))["data"][-1]
    assert all("<b>" not in text and "&lt;b&gt;" in text for text in marks["text"])


@pytest.mark.parametrize("suffix", [".png", ".html"])
@pytest.mark.parametrize("found", [card_tests(), card_tests(1, 1), {"nodes": [], "links": []}])
def test_a_file_is_written(found: dict[str, Any], suffix: str, tmp_path: Path) -> None:
    """Also of nothing."""
    path = tmp_path / f"clusters{suffix}"
    draw_clusters(path, found)
    begins = b"\x89PNG" if suffix == ".png" else b"<!doctype html>"
    assert path.read_bytes().startswith(begins)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(ConfigError, match=r"\.png or \.html"):
        draw_clusters(tmp_path / "clusters.gif", {"nodes": [], "links": []})
    with pytest.raises(ConfigError, match="cannot be written"):
        draw_clusters(tmp_path / "absent" / "clusters.png", {"nodes": [], "links": []})
