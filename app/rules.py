"""From settings to the rule that transactions are decided by."""

from typing import Any

from app.settings import Settings
from app.token_key import token_key_of
from detection.detector import Detector
from detection.envelope import Envelope
from detection.envelope_rule import EnvelopeRule
from detection.paper_rule import PaperRule
from detection.profile import EnvelopeProfile
from detection.rule import Rule
from privacy.tokens import tokenizer


def detector_of(settings: Settings) -> Detector[Any]:
    """The rule, the tokens and the periods that `settings` ask for."""
    key = token_key_of(settings)
    return Detector(
        rule=rule_of(settings),
        card_token_of=tokenizer(key, "card"),
        user_token_of=tokenizer(key, "user"),
        grace_ms=round(settings.grace_period_s * 1000),
        repeat_window_ms=round(settings.repeat_window_s * 1000),
        max_open_cases=settings.max_open_transactions,
    )


def rule_of(settings: Settings) -> Rule[Any]:
    """The rule of the profile."""
    if settings.profile == "paper":
        return PaperRule(tolerance_mps=settings.paper_tolerance_mps)
    return EnvelopeRule(Envelope(EnvelopeProfile()))
