"""Profiles: the two that are built in, and those that analysts define in a file."""

from pathlib import Path

import pytest

from app.cli.profiles import table
from app.profiles import base_of, constants, profile_of, profiles_of
from app.rules import rule_of
from app.settings import Settings
from detection.envelope_rule import EnvelopeRule
from detection.paper_rule import PaperRule
from detection.profile import EnvelopeProfile, PaperProfile
from streaming.errors import ConfigError


def settings_with(folder: Path, toml: str, **changes: str) -> Settings:
    """Settings that name a file with these profiles."""
    path = folder / "profiles.toml"
    path.write_text(toml, encoding="utf-8")
    return Settings(profiles_file=str(path), **changes)  # type: ignore[arg-type]  # all are text


def test_without_a_file_there_are_two() -> None:
    """The paper's has the paper's tolerance, 1 m/s."""
    assert profiles_of(Settings()) == {
        "envelope": EnvelopeProfile(name="envelope", version=1),
        "paper": PaperProfile(name="paper", version=1, tolerance_mps=1.0),
    }
    assert profile_of(Settings()) == EnvelopeProfile()


def test_a_profile_of_a_file_differs_from_its_base_in_what_it_says(tmp_path: Path) -> None:
    """Without a base it is an envelope; its version is its own."""
    known = profiles_of(
        settings_with(
            tmp_path,
            """
            [profiles.strict]
            version = 2
            drift_m = 200
            [profiles.patient]
            base = "envelope"
            chain_fixes = 30
            ["profiles"."old friend"]
            base = "paper"
            tolerance_mps = 3.5
            """,
        )
    )
    assert list(known) == ["envelope", "paper", "strict", "patient", "old friend"]
    assert known["strict"] == EnvelopeProfile(name="strict", version=2, drift_m=200.0)
    assert known["patient"] == EnvelopeProfile(name="patient", chain_fixes=30)
    assert known["old friend"] == PaperProfile(name="old friend", tolerance_mps=3.5)


def test_a_profile_has_the_rule_of_its_base(tmp_path: Path) -> None:
    """And is chosen by SMARTBANK_PROFILE as the built-in ones are."""
    toml = '[profiles.mine]\nbase = "paper"\n[profiles.other]\n'
    assert isinstance(rule_of(profile_of(settings_with(tmp_path, toml, profile="mine"))), PaperRule)
    assert isinstance(rule_of(profile_of(settings_with(tmp_path, toml, profile="other"))), EnvelopeRule)


@pytest.mark.parametrize(
    ("toml", "wrong"),
    [
        ("[profiles.strict]\ndrift = 200.0", "profile strict: .*unknown field `drift`"),
        ("[profiles.strict]\ndrift_m = '200 m'", "profile strict: .*got `str` - at `drift_m`"),
        ("[profiles.strict]\ndrift_m = -1", "profile strict: .*>= 0.0 - at `drift_m`"),
        ("[profiles.strict]\ndrift_m = nan", "profile strict: .*at `drift_m`"),
        ("[profiles.strict]\nstale_s = inf", "profile strict: .*<= 86400.0 - at `stale_s`"),
        ("[profiles.strict]\nchain_fixes = 2.5", "profile strict: .*at `chain_fixes`"),
        ("[profiles.strict]\ntolerance_mps = 500", "`tolerance_mps` is above `airliner_mps`"),
        ("[profiles.strict]\nversion = 0", "profile strict: .*at `version`"),
        ("[profiles.strict]\nname = 'mine'", "profile strict: name is no field"),
        ("[profiles.strict]\nbase = 'lenient'", "profile strict: base is 'lenient'.*envelope, paper"),
        ("[profiles.strict]\nbase = ['paper']", "profile strict: base is"),
        ("[profiles.slow]\nbase = 'paper'\ndrift_m = 1", "profile slow: .*unknown field `drift_m`"),
        ("[profiles.paper]\ntolerance_mps = 2", "profile paper: this name is built in"),
        ("[profiles.'']\n", "at `name`"),
        ("[profiles]\nstrict = 200.0", "profile strict: is no table"),
        ("drift_m = 200.0", r"a profile is a table \[profiles.NAME\]; drift_m is none"),
        ("", r"a profile is a table \[profiles.NAME\]"),
        ("drift_m = ", "is no TOML"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_file_profile_and_field(
    tmp_path: Path, toml: str, wrong: str
) -> None:
    """Whichever profile is chosen: a typo must not wait for its day."""
    with pytest.raises(ConfigError, match=rf"profiles\.toml: .*{wrong}|profiles\.toml: {wrong}"):
        profile_of(settings_with(tmp_path, toml))


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    """The usual mistake is a wrong path."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: .*SMARTBANK_PROFILES_FILE"):
        profiles_of(Settings(profiles_file=str(tmp_path / "nowhere.toml")))


def test_an_unknown_profile_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    """A typo must not mean the default."""
    with pytest.raises(ConfigError, match="'stric' is no profile; there are envelope, paper, strict"):
        profile_of(settings_with(tmp_path, "[profiles.strict]", profile="stric"))


def test_what_is_printed_can_be_pasted(tmp_path: Path) -> None:
    """Read again under another name, it is the same profile."""
    for profile in profiles_of(Settings(paper_tolerance_mps=2.5)).values():
        printed = table(profile).replace(f"[profiles.{profile.name}]", '[profiles."my own"]')
        known = profiles_of(settings_with(tmp_path, printed))
        assert constants(known["my own"]) == constants(profile)
        assert base_of(known["my own"]) == profile.name
        assert table(known["my own"]).startswith('[profiles."my own"]')
