"""A track goes through the changelog page by page, in any order and mixed with older pages, and is whole."""

from hypothesis import given
from hypothesis import strategies as st

from detection.fix import Fix
from detection.track import Track, track_of
from streaming.layout import Row
from tables.tracks import PageLayout

LAYOUT = PageLayout()
PHONE = b"phone"
FIXES = st.builds(
    Fix,
    event_time_ns=st.integers(0, 10_000).map(lambda s: s * 1_000_000_000),
    latitude_deg=st.floats(-90, 90),
    longitude_deg=st.floats(-180, 180),
)


def pages_of(track: Track) -> list[Row]:
    """What the changelog gets of a track that changed."""
    return LAYOUT.changes({PHONE: track}, {PHONE: LAYOUT.encode(track)})


@given(st.lists(FIXES, max_size=30), st.data())
def test_pages_in_any_order_make_the_track_again(fixes: list[Fix], data: st.DataObject) -> None:
    """One chunk's after the other's, and some of them twice."""
    track: Track | None = None
    records: list[Row] = []
    for fix in fixes:
        after = (track or Track()).with_fix(fix)
        records += pages_of(after)
        track = LAYOUT.decode(LAYOUT.encode(after))
    arrived = data.draw(st.permutations(records + records[:5]))
    restored = dict(LAYOUT.restored(arrived, lambda _: {}))
    assert restored == ({PHONE: track.row} if track else {})


@given(st.lists(FIXES, min_size=1, max_size=30))
def test_what_is_restored_joins_what_is_there(fixes: list[Fix]) -> None:
    """A state directory holds a part already."""
    known, whole = track_of(fixes[::2]), track_of(fixes)
    records = pages_of(whole)
    [(key, row)] = LAYOUT.restored(records, lambda _: {PHONE: known.row})
    assert (key, row) == (PHONE, whole.row)


def test_one_fix_changes_one_to_three_pages_of_sixteen() -> None:
    """And where nothing is known of what was before, every page that holds something goes out."""
    fixes = [Fix(second * 10**9, 1.0, 2.0) for second in range(0, 3600, 8)]
    track = Track.from_row(track_of(fixes).row)
    counts = {len(pages_of(track.with_fix(Fix((3600 + s) * 10**9, 1.0, 2.0)))) for s in range(4000)}
    assert counts <= {1, 2, 3}
    assert len(LAYOUT.all_of({PHONE: track.row})) == 16
    assert sum(
        len(key) + len(page or b"") for key, page in LAYOUT.all_of({PHONE: track.row})
    ) <= 1024 + 16 * len(PHONE)


def test_a_deleted_track_is_gone_after_its_tombstones() -> None:
    """Of every page; what comes after them counts again."""
    track = track_of([Fix(10**9, 1.0, 2.0)])
    tombstones = LAYOUT.changes({PHONE: None}, {PHONE: None})
    assert len(tombstones) == 16
    records = [*LAYOUT.all_of({PHONE: track.row}), *tombstones]
    assert LAYOUT.restored(records, lambda _: {}) == [(PHONE, None)]
    assert LAYOUT.restored([*records, *LAYOUT.all_of({PHONE: track.row})], lambda _: {}) == [
        (PHONE, track.row)
    ]
    assert {LAYOUT.store_key(key) for key, _ in records} == {PHONE}
