"""From settings to what the publisher keeps."""

from agents.sketch import Book
from app.settings import Settings
from app.token_keys import LiveTokens
from privacy.tokens import TokenKeys
from sketches.audits import audits
from sketches.book import Panes, sketch_entries, view_entries
from sketches.desk import Options
from sketches.likeness import Bounds

PUBLIC_CATEGORIES = ("Groceries", "Fuel", "Retail", "Online", "Restaurant", "Entertainment", "Travel")
"""Declared, not read off the data: that a category is there at all would tell of somebody."""


def book_of(settings: Settings, tokens: TokenKeys | LiveTokens) -> Book:
    """Every sketch and view, with the parameters that `settings` ask for."""
    panes = Panes(
        pane_ms=settings.view_pane_s * 1000,
        kept_ms=settings.view_retention_s * 1000,
        high_value=settings.high_value_amount,
        public_categories=PUBLIC_CATEGORIES,
        public_most_amount=settings.public_most_amount,
    )
    device_token_of = tokens.tokenizer("device")
    return Book(
        sketches=sketch_entries(device_token_of, tokens.tokenizer("row"), card_testing_bounds(settings)),
        views=view_entries(panes),
        audits=audits(device_token_of),
        options=Options(
            seen_ms=round(1000 * (settings.repeat_window_s + settings.grace_period_s) + 3_600_000),
            places_span_ms=settings.usual_places_span_s * 1000,
            public_rows_per_device=settings.public_rows_per_device,
            devices=settings.usual_places_devices,
        ),
        snapshot_interval_s=settings.snapshot_interval_s,
        snapshot_records=settings.snapshot_max_records,
    )


def card_testing_bounds(settings: Settings) -> Bounds:
    """What is looked at for card testing, and what makes a cluster."""
    return Bounds(
        window_ms=round(settings.card_testing_window_s * 1000),
        max_amount=settings.card_testing_max_amount,
        min_cards=settings.card_testing_min_cards,
    )
