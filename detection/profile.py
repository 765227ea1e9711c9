"""The constants of each rule, as values: a profile has a name, and every verdict says whose it is."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

_HALF_THE_EARTH_M: Final = 20_004_000.0  # no two points of WGS84 are further apart
_DAY_S: Final = 86_400.0

Name = Annotated[str, Meta(min_length=1, max_length=64, description="Stands in every decision.")]
Version = Annotated[int, Meta(ge=1, description="Rises when a constant changes; stands in every decision.")]
LengthM = Annotated[float, Meta(ge=0, le=_HALF_THE_EARTH_M)]
SpeedMps = Annotated[float, Meta(ge=0, le=12_000)]
DurationS = Annotated[float, Meta(ge=0, le=_DAY_S)]


class EnvelopeProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a phone may have come, and how much its fixes are trusted. Every constant has a cause.

    A transaction is flagged when a good fix lies further from it than `drift_m` and what the phone could
    have travelled in between explain, after the fix's accuracy and `terminal_m` are taken off.

    `msgspec.convert`, which reads one from a TOML file's table, raises msgspec.ValidationError where a value
    is out of its range and where a name is unknown; the constructor looks at no range.
    """

    name: Name = "envelope"
    version: Version = 1

    tolerance_mps: Annotated[
        SpeedMps, Meta(description="Added to every reported speed: the paper's allowance.")
    ] = 1.0

    acceleration_mps2: Annotated[
        float,
        Meta(
            ge=0.01,
            le=100,
            description="How fast a phone may gain speed after a fix, or have lost it before one, kept up"
            " until airliner_mps. A bus or train starts with 1.0 to 1.3, a car needs 15 s to get to 25 m/s."
            " Higher: frauds next to a phone that reports seldom are missed; lower: who drives off between"
            " two fixes is flagged.",
        ),
    ] = 1.5

    airliner_mps: Annotated[
        float,
        Meta(
            ge=1,
            le=12_000,
            description="Nobody is faster. Airliners fly at 250 over ground, at 300 with a jet stream behind"
            " them.",
        ),
    ] = 300.0

    unknown_speed_mps: Annotated[
        SpeedMps, Meta(description="Taken where the phone had no valid reading: a car on a motorway.")
    ] = 30.0

    unknown_accuracy_m: Annotated[
        LengthM,
        Meta(
            description="Taken where the phone had no valid reading: between satellites (5) and Wi-Fi (100)."
        ),
    ] = 50.0

    clock_tolerance_s: Annotated[
        float,
        Meta(
            ge=0.001,
            le=_DAY_S,
            description="How far the clocks of phone and terminal may differ; it is travelled through, too.",
        ),
    ] = 1.0

    terminal_m: Annotated[
        LengthM,
        Meta(
            description="How far a terminal may stand from the place that the bank has on file for the shop."
        ),
    ] = 50.0

    drift_m: Annotated[
        LengthM,
        Meta(
            description="Below this distance drift explains anything: among high buildings whole runs of"
            " fixes that claim to be good lie up to 300 m off. Higher: frauds in the next street are missed."
        ),
    ] = 350.0

    fix_drift_m: Annotated[
        LengthM,
        Meta(
            description="The same between two fixes of one phone, when they are asked whether both are good."
            " Less than drift_m, so that a drifted run is refused where it can be, and the good fixes around"
            " it judge."
        ),
    ] = 100.0

    agreeing_fixes: Annotated[
        int,
        Meta(
            ge=1,
            le=5,
            description="So many of the fixes next to a transaction must agree with it, and none disagree, to"
            " clear it without a look at the chain. More than the fixes of one false second fill, which lie"
            " in two buckets at most. At most 5, the buckets that are looked at.",
        ),
    ] = 3

    chain_fixes: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="So many fixes before and after a transaction compete for the largest consistent"
            " chain: a minute and a half of a phone that reports all the time. A drifted run of one minute is"
            " 8 of them: outnumbered.",
        ),
    ] = 12

    judged_fixes: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="So many good fixes on either side judge a transaction: the next one may be coarse.",
        ),
    ] = 2

    stale_s: Annotated[
        DurationS, Meta(description="Where the next good fix is further away in time, the verdict says so.")
    ] = 600.0

    revise_s: Annotated[
        DurationS,
        Meta(
            description="Locations further from a transaction in time are not held against its provisional"
            " verdict, unless it stands on one that is further still: between them lie others that were."
            " Higher: more work for the same verdicts. The final verdict does not depend on it."
        ),
    ] = 30.0

    def __post_init__(self) -> None:
        """Refuse what would make a phone slower the faster it is."""
        if self.tolerance_mps > self.airliner_mps:
            raise ValueError("`tolerance_mps` is above `airliner_mps`")


class PaperProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rule of the paper has one constant. Read from a table as an EnvelopeProfile is."""

    name: Name = "paper"
    version: Version = 1

    tolerance_mps: Annotated[
        SpeedMps,
        Meta(description="Flagged above the reported speed plus this, as published. Higher: fewer flags."),
    ] = 1.0


Profile = EnvelopeProfile | PaperProfile
