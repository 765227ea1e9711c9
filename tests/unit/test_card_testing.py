"""Who is told of card testing, and how often."""

from app.card_testing import Watch
from sketches.likeness import Bounds, Likeness

BOUNDS = Bounds(min_cards=5)
START_MS = 1_711_972_800_000


def tried(cards: range, partition: int = 0, partitions: int = 1) -> bytes:
    """What a partition holds of cards that were tried at one shop, a second apart; as its snapshot."""
    likeness = Likeness(BOUNDS)
    for card in cards:
        if card % partitions == partition:
            likeness.update(
                transaction_id=f"t-{card}",
                card=f"card-{card}",
                category="Online",
                merchant="shop",
                amount=1.0,
                latitude_deg=37.0,
                longitude_deg=-121.0,
                time_ms=START_MS + card * 1000,
            )
    return likeness.to_bytes()


def test_cards_of_many_partitions_make_one_cluster() -> None:
    """None of the partitions has enough by itself."""
    watch = Watch(BOUNDS)
    parts = [tried(range(8), partition, 4) for partition in range(4)]
    for part in parts:
        assert Likeness.from_bytes(part).clusters() == []
    count, [alert] = watch.look(parts, START_MS + 10_000)
    assert (count, alert.cards, len(alert.transaction_tokens)) == (1, 8, 8)
    assert alert.card_tokens == tuple(f"card-{card}" for card in range(8))
    assert (alert.first_time.timestamp(), alert.last_time.timestamp()) == (
        START_MS / 1000,
        START_MS / 1000 + 7,
    )
    assert [(kind.merchant, kind.transactions) for kind in alert.kinds] == [("shop", 8)]


def test_an_alert_comes_again_under_its_id_when_the_cards_have_doubled() -> None:
    """And not for each card in between."""
    watch = Watch(BOUNDS)
    told = []
    for cards in (4, 5, 6, 9, 10, 19, 20):
        _, alerts = watch.look([tried(range(cards))], START_MS)
        watch.confirm()
        told += [(alert.alert_id, alert.cards) for alert in alerts]
    assert [cards for _, cards in told] == [5, 10, 20]
    assert len({alert_id for alert_id, _ in told}) == 1


def test_an_alert_that_could_not_be_sent_is_told_at_the_next_look() -> None:
    """The broker was away."""
    watch = Watch(BOUNDS)
    _, first = watch.look([tried(range(6))], START_MS)
    _, again = watch.look([tried(range(6))], START_MS)
    assert first == again != []
    watch.confirm()
    assert watch.look([tried(range(6))], START_MS)[1] == []


def test_a_cluster_that_is_over_is_told_of_but_does_not_go_on() -> None:
    """It came while no worker ran."""
    hour_later_ms = START_MS + 3_600_000
    count, alerts = Watch(BOUNDS).look([tried(range(6))], hour_later_ms)
    assert (count, len(alerts)) == (0, 1)
