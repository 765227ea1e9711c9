"""From settings to the rule that transactions are decided by."""

from typing import Any

from app.profiles import profile_of
from app.settings import Settings
from app.token_keys import LiveTokens
from detection.detector import Detector
from detection.envelope import Envelope
from detection.envelope_rule import EnvelopeRule
from detection.paper_rule import PaperRule
from detection.profile import PaperProfile, Profile
from detection.rule import Rule


def detector_of(
    settings: Settings, profile: Profile | None = None, tokens: LiveTokens | None = None
) -> Detector[Any]:
    """The rule, the tokens and the periods that `settings` ask for; others where they are given."""
    rule = rule_of(profile or profile_of(settings))
    tokens = tokens or LiveTokens(settings)
    return Detector(
        rule=rule,
        card_token_of=tokens.tokenizer("card"),
        user_token_of=tokens.tokenizer("user"),
        grace_ms=round(settings.grace_period_s * 1000),
        repeat_window_ms=round(settings.repeat_window_s * 1000),
        max_open_cases=settings.max_open_transactions,
        forward_wait_s=settings.forward_wait_s,
    )


def rule_of(profile: Profile) -> Rule[Any]:
    """The rule that a profile holds the constants of."""
    if isinstance(profile, PaperProfile):
        return PaperRule(profile=profile)
    return EnvelopeRule(Envelope(profile))
