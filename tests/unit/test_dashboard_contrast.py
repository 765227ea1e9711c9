"""The page's colours: text has the contrast that WCAG 2.2 AA asks for, in both themes."""

import re

import pytest

from app.settings import PROJECT_DIR

THEME = (PROJECT_DIR / "dashboard" / "assets" / "css" / "theme.css").read_text()

# Text on its background, as parts.css and page.css have them: 4.5 to 1.
TEXTS = [
    *((ink, back) for ink in ("ink", "dim") for back in ("back", "card", "sunk")),
    *(("dim", back) for back in ("accent-soft", "alarm-soft")),
    *((name, f"{name}-soft") for name in ("accent", "alarm", "good", "warn")),
    *((name, "card") for name in ("accent", "alarm", "good", "warn")),
    ("ink", "accent-soft"),
    ("on-accent", "accent"),
    ("map-ink", "land"),
    ("map-ink", "sea"),
]
# What must be seen but is no text: 3 to 1.
SHAPES = [("field-line", "card"), ("accent", "land"), ("alarm", "land"), ("accent", "sea"), ("alarm", "sea")]


def colours(theme: str) -> dict[str, str]:
    """The colours of a theme, by name."""
    blocks = dict(re.findall(r"^:root(\[[^{]*\])? \{(.*?)^\}", THEME, re.MULTILINE | re.DOTALL))
    found = dict(
        re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks['[data-theme="dark"]' if theme == "dark" else ""])
    )
    assert found
    return found


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Between 1 and 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_shapes_can_be_seen(theme: str) -> None:
    """All pairs at once: whoever changes a colour sees what it spoils."""
    of = colours(theme)
    faint = {
        f"{front} on {back}": round(contrast(of[front], of[back]), 2)
        for least, pairs in ((4.5, TEXTS), (3.0, SHAPES))
        for front, back in pairs
        if contrast(of[front], of[back]) < least
    }
    assert not faint


def test_contrast_is_computed_as_wcag_does() -> None:
    """Black on white, and a grey that just fails."""
    assert contrast("#000000", "#ffffff") == 21
    assert contrast("#777777", "#ffffff") < 4.5 < contrast("#767676", "#ffffff")
