"""What all plots have in common, and what those show that have no test file of their own."""

import json
import re
from pathlib import Path

import pytest
from matplotlib import image

from app.anonymity.choosing import Point
from app.plots import privacy
from app.plots.accuracy import draw_accuracy, kind_of, page_of
from app.plots.privacy import draw_curves
from app.plots.style import new_page, new_picture, write_plot
from app.settings import PROJECT_DIR
from privacy.anonymity.risk import Scores
from sketches.accuracy import Finding
from streaming.errors import ConfigError


def finding(sketch: str, error: float, broken: str = "") -> Finding:
    """A sketch that promises 2 %."""
    return Finding(
        sketch=sketch, what="items <b>", exact=100, estimate=101, error=error, bound=0.02, broken=broken
    )


FINDINGS = [
    finding("good", 0.01),
    finding("unlucky", 0.03),
    finding("wrong", 0.05, "too far"),
    finding("exact", 0),
]


@pytest.mark.parametrize("suffix", [".png", ".html", ".PNG"])
@pytest.mark.parametrize("findings", [FINDINGS, []])
def test_accuracy_is_drawn(findings: list[Finding], suffix: str, tmp_path: Path) -> None:
    """Also of nothing."""
    path = tmp_path / f"accuracy{suffix}"
    draw_accuracy(path, findings)
    if suffix == ".html":
        assert not re.search(r"<(script|link|img)[^>]+(src|href)=", path.read_text())
        return
    pixels = image.imread(path, format="png")
    assert pixels.shape[1] > 1000
    assert tuple(pixels[0, 0, :3]) == (1, 1, 1)  # white, whatever the machine's style is


def test_accuracy_shows_every_sketch_by_how_much_of_its_promise_it_uses() -> None:
    """Those that are broken look different from those that chance may explain."""
    figure = page_of(FINDINGS)
    json.dumps(figure)
    shown = {
        sketch: (trace["marker"]["symbol"], share)
        for trace in figure["data"]
        for sketch, share in zip(trace["y"], trace["x"], strict=True)
    }
    assert shown == {
        "good": ("circle", pytest.approx(50)),
        "exact": ("circle", 0),
        "unlucky": ("diamond", pytest.approx(150)),
        "wrong": ("x", pytest.approx(250)),
    }
    assert figure["layout"]["title"]["text"] == "2 of 4 sketches are within what they promise, 1 broken"
    assert figure["layout"]["xaxis"]["range"][1] > 250
    assert [kind_of(each) for each in FINDINGS] == ["kept", "chance", "broken", "kept"]


def test_the_curves_over_k_are_drawn(tmp_path: Path) -> None:
    """Both, and where their knee is."""
    scores = Scores(prosecutor=0.9, journalist=0.8, marketer=0.7, silhouette=0.5)
    points = [Point(k=k, scores=scores, loss=k / 100, suppressed_share=0.0) for k in (2, 5, 10)]
    figure = privacy.page_of(points, "silhouette", points[1])
    assert [trace["y"] for trace in figure["data"]] == [[0.5, 0.5, 0.5], [0.02, 0.05, 0.1]]
    assert figure["layout"]["shapes"][0]["x0"] == 5
    assert "k = 5" in figure["layout"]["title"]["text"]
    draw_curves(tmp_path / "k.png", points, "silhouette", points[1])
    assert image.imread(tmp_path / "k.png").shape[1] > 1000


def test_titles_are_texts(tmp_path: Path) -> None:
    """Neither tags nor formulas."""
    assert new_page([], title="<b>x</b>", subtitle="<i>")["layout"]["title"]["text"] == "&lt;b&gt;x&lt;/b&gt;"
    picture = new_picture(4, 3, title="$x_{1$")
    write_plot(tmp_path / "x.png", picture=lambda: picture, page=dict)


def test_where_nothing_can_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    """The ending, the folder, or the file itself."""
    (tmp_path / "folder.png").mkdir()
    for name, said in (
        ("x.pdf", "must end in"),
        ("absent/x.png", "no folder"),
        ("folder.png", "Is a directory"),
    ):
        with pytest.raises(ConfigError, match=said):
            draw_accuracy(tmp_path / name, FINDINGS)


def test_no_plot_has_a_style_of_its_own() -> None:
    """Colours, pages and files are made in style.py alone."""
    for path in (PROJECT_DIR / "app").rglob("*.py"):
        if path.name == "style.py" and path.parent.name == "plots":
            continue
        assert not re.search(r"savefig|to_html|['\"]#[0-9a-f]{6}['\"]", path.read_text()), path
