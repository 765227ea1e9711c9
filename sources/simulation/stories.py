"""How each category comes about: what the phone does, and where the card is used."""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from sources.simulation.agenda import Agenda, Sent
from sources.simulation.categories import Category
from sources.simulation.customers import Account
from sources.simulation.outbox import Outbox
from sources.simulation.phones import REPORT_INTERVAL_S, Drift, Phone
from sources.simulation.purchases import Purchase, apart_m, away, foreign_purchase, honest_purchase
from sources.simulation.residents import Resident, out_of_reach_m
from sources.simulation.routine import HOUR_MS, Life
from sources.simulation.streets import Place
from sources.simulation.towns import World

_FURTHEST_M = 9_000_000.0
FRAUD_DISTANCES_M = {
    Category.FRAUD_FAR: (50_000.0, _FURTHEST_M),
    Category.FRAUD_NEAR: (2_000.0, 50_000.0),
    Category.FRAUD_CLOSE: (600.0, 2_000.0),
    Category.FRAUD_LATE_ARRIVAL: (10_000.0, _FURTHEST_M),
    Category.FRAUD_SPOOFED_FIX: (2_000.0, _FURTHEST_M),
    Category.FRAUD_AFTER_FLIGHT: (400_000.0, _FURTHEST_M),
}
_GLITCH_M = (400.0, 8_000.0)
_DRIFT_M = (60.0, 300.0)
_DRIFT_FIXES = (4, 12)
_COARSE_ACCURACY_M = (900.0, 3_000.0)
_STALL_MS = (20_000, 120_000)
_LATE_ARRIVAL_MS = (30_000, 240_000)
_CRUISE_MPS = (190.0, 240.0)  # an airliner's mean over the whole way
_AT_AIRPORTS_MS = (int(1.5 * HOUR_MS), 3 * HOUR_MS)
_PHONE_STAYS_OFF_MS = (180_000, 900_000)
_FRAUD_AFTER_LANDING_MS = (120_000, 600_000)
_AFTERMATH_MS = 30_000  # so long after an oddity in its stream, a phone is no case for a clear-cut fraud
_LEAD_MS = 2_000  # a purchase of just now, by a clock that is a second off, must not fall among false fixes
_WITH_FALSE_FIXES = {Category.LEGIT_GLITCH, Category.LEGIT_COARSE_FIX, Category.FRAUD_SPOOFED_FIX}


class Stories:
    """Tells them, about residents that suit."""

    def __init__(self, rng: Random, world: World, agenda: Agenda, outbox: Outbox) -> None:
        self._rng, self._world, self._agenda, self._outbox = rng, world, agenda, outbox
        self._own: Mapping[Category, Callable[[Resident, int], Sent]] = {
            Category.LEGIT_TABLET: self._tablet,
            Category.LEGIT_GLITCH: self._glitch,
            Category.LEGIT_COARSE_FIX: self._coarse_fix,
            Category.LEGIT_DRIFT: self._drift,
            Category.LEGIT_LATE_LOCATION: self._lose_network,
            Category.LEGIT_LATE_ARRIVAL: partial(self._late_arrival, Category.LEGIT_LATE_ARRIVAL),
            Category.LEGIT_FLIGHT: partial(self._fly, Category.LEGIT_FLIGHT),
            Category.FRAUD_LATE_ARRIVAL: partial(self._late_arrival, Category.FRAUD_LATE_ARRIVAL),
            Category.FRAUD_STALE: self._fraud_in_gap,
            Category.FRAUD_SPOOFED_FIX: self._spoof,
            Category.FRAUD_AFTER_FLIGHT: partial(self._fly, Category.FRAUD_AFTER_FLIGHT),
        }

    def tell(self, category: Category, resident: Resident, now_ms: int) -> Sent:
        """Begin a story now; it may go on later. One that cannot end before the stream does, never begins."""
        if category in _WITH_FALSE_FIXES:
            resident.phone.disturbed_until_ms = now_ms + _AFTERMATH_MS
            self._agenda.plan(now_ms + _LEAD_MS, partial(self._own[category], resident))
            return ()
        if story := self._own.get(category):
            return story(resident, now_ms)
        return self._use_card(category, resident, now_ms)

    def _use_card(self, category: Category, resident: Resident, now_ms: int, late_ms: int = 0) -> Sent:
        """Where the customer is, or as far off as the category says."""
        rng, world, phone = self._rng, self._world, resident.phone
        if distances_m := FRAUD_DISTANCES_M.get(category):
            purchase = foreign_purchase(rng, world, phone, now_ms, distances_m)
        else:
            purchase = honest_purchase(rng, world, phone, now_ms)
        return self._outbox.transaction(resident.account, category, purchase, now_ms, late_ms)

    def _tablet(self, resident: Resident, now_ms: int) -> Sent:
        """On the net, from the sofa."""
        tablet = resident.tablet or resident.phone
        account = Account(resident.customer, tablet.device_id, tablet.kind)
        purchase = honest_purchase(self._rng, self._world, tablet, now_ms)
        return self._outbox.transaction(account, Category.LEGIT_TABLET, purchase, now_ms)

    def _late_arrival(self, category: Category, resident: Resident, now_ms: int) -> Sent:
        """The terminal's message is held up; the phone's are not, and nothing else is odd."""
        resident.phone.disturbed_until_ms = now_ms + _AFTERMATH_MS
        late_ms = self._rng.randint(*_LATE_ARRIVAL_MS)
        if now_ms + late_ms > self._agenda.end_ms:
            late_ms = 0
            category = Category.FRAUD_FAR if category in FRAUD_DISTANCES_M else Category.LEGIT_NEAR
        return self._use_card(category, resident, now_ms, late_ms)

    def _glitch(self, resident: Resident, now_ms: int) -> Sent:
        """One fix lies hundreds of metres off, or more, and claims to be good."""
        place = away(self._rng, resident.phone.place_at(now_ms), _GLITCH_M)
        yield from self._extra_fix(resident.phone, now_ms, place, resident.phone.routine.leg.accuracy_m)
        yield from self._use_card(Category.LEGIT_GLITCH, resident, now_ms)

    def _coarse_fix(self, resident: Resident, now_ms: int) -> Sent:
        """One fix is a cell tower's guess, off by hundreds of metres or more, and says so."""
        accuracy_m = self._rng.uniform(*_COARSE_ACCURACY_M)
        place = away(self._rng, resident.phone.place_at(now_ms), (0.5 * accuracy_m, 0.95 * accuracy_m))
        yield from self._extra_fix(resident.phone, now_ms, place, round(accuracy_m, 1))
        yield from self._use_card(Category.LEGIT_COARSE_FIX, resident, now_ms)

    def _drift(self, resident: Resident, now_ms: int) -> Sent:
        """A run of fixes lies off, all by the same; the card is used in the midst of it."""
        rng, phone = self._rng, resident.phone
        fixes = rng.randint(*_DRIFT_FIXES)
        spot_m = rng.uniform(*_DRIFT_M)
        east_m = spot_m * rng.uniform(-1, 1)
        phone.drift = Drift(east_m, rng.choice((-1, 1)) * (spot_m**2 - east_m**2) ** 0.5, fixes)
        shortest_s, longest_s = REPORT_INTERVAL_S
        phone.disturbed_until_ms = now_ms + fixes * longest_s * 1000 + _AFTERMATH_MS
        purchase_ms = now_ms + fixes * (shortest_s + longest_s) * 250
        self._agenda.plan(purchase_ms, partial(self._use_card, Category.LEGIT_DRIFT, resident))
        return ()

    def _lose_network(self, resident: Resident, now_ms: int) -> Sent:
        """A phone's reports are held back; the card is used in the midst of that."""
        stall_ms = self._rng.randint(*_STALL_MS)
        resident.phone.stalled_until_ms = now_ms + stall_ms
        resident.phone.disturbed_until_ms = now_ms + stall_ms + _AFTERMATH_MS
        purchase_ms = now_ms + int(stall_ms * self._rng.uniform(0.4, 0.7))
        self._agenda.plan(purchase_ms, partial(self._use_card, Category.LEGIT_LATE_LOCATION, resident))
        return ()

    def _fraud_in_gap(self, resident: Resident, now_ms: int) -> Sent:
        """Nobody knows where the phone is, but it cannot be there."""
        rng, phone = self._rng, resident.phone
        nearest_m = out_of_reach_m(phone, now_ms)
        purchase = foreign_purchase(rng, self._world, phone, now_ms, (nearest_m, 1.3 * nearest_m))
        return self._outbox.transaction(resident.account, Category.FRAUD_STALE, purchase, now_ms)

    def _spoof(self, resident: Resident, now_ms: int) -> Sent:
        """Whoever has the card's number sends false fixes from the shop, in the phone's name."""
        rng, phone = self._rng, resident.phone
        distances_m = FRAUD_DISTANCES_M[Category.FRAUD_SPOOFED_FIX]
        purchase = foreign_purchase(rng, self._world, phone, now_ms, distances_m)
        phone.disturbed_until_ms = now_ms + 2 * _AFTERMATH_MS
        for number in range(rng.randint(1, 3)):
            sent_ms = now_ms + number * rng.randint(1_000, 3_000)
            self._agenda.plan(sent_ms, partial(self._false_fix, phone, purchase.place))
        pay_ms = now_ms + rng.randint(0, 4_000)
        self._agenda.plan(pay_ms, partial(self._pay, Category.FRAUD_SPOOFED_FIX, resident, purchase))
        return ()

    def _false_fix(self, phone: Phone, shop: Place, now_ms: int) -> Sent:
        accuracy_m = 5.0
        return self._extra_fix(phone, now_ms, away(self._rng, shop, (1.0, 20.0)), accuracy_m)

    def _fly(self, category: Category, resident: Resident, now_ms: int) -> Sent:
        """After a report or two more the phone is off, until it is in another town, or at home again."""
        boards_ms = now_ms + 2 * REPORT_INTERVAL_S[1] * 1000
        resident.phone.disturbed_until_ms = boards_ms
        self._agenda.plan(boards_ms, partial(self._board, category, resident))
        return ()

    def _board(self, category: Category, resident: Resident, now_ms: int) -> Sent:
        """The card is used there at once, or far off when the phone is on again."""
        rng, phone, home = self._rng, resident.phone, self._world.home
        is_fraud, is_home = category in FRAUD_DISTANCES_M, phone.routine.life.town is home
        to = rng.choice(self._world.elsewhere) if is_home else home
        way_m = apart_m(phone.place_at(now_ms), to.ground.centre)
        lands_ms = now_ms + int(way_m / rng.uniform(*_CRUISE_MPS) * 1000) + rng.randint(*_AT_AIRPORTS_MS)
        reports_from_ms = lands_ms + rng.randint(*_PHONE_STAYS_OFF_MS)
        fraud_ms = reports_from_ms + rng.randint(*_FRAUD_AFTER_LANDING_MS)
        if fraud_ms > self._agenda.end_ms:
            instead = Category.FRAUD_FAR if is_fraud else Category.LEGIT_NEAR
            return self._use_card(instead, resident, now_ms)
        phone.fly(Life.random(rng, to, is_visit=is_home), lands_ms, reports_from_ms)
        phone.disturbed_until_ms = fraud_ms
        pays_ms = fraud_ms if is_fraud else rng.randint(lands_ms, reports_from_ms)
        self._agenda.plan(pays_ms, partial(self._use_card, category, resident))
        return ()

    def _pay(self, category: Category, resident: Resident, purchase: Purchase, now_ms: int) -> Sent:
        return self._outbox.transaction(resident.account, category, purchase, now_ms)

    def _extra_fix(self, phone: Phone, now_ms: int, place: Place, accuracy_m: float) -> Sent:
        """A report out of turn, at another place than the phone's; not of the second of one in turn."""
        if now_ms // 1000 * 1000 == phone.last_report_ms:
            now_ms += 1000
        phone.disturbed_until_ms = max(phone.disturbed_until_ms, now_ms + _AFTERMATH_MS)
        phone.routine.move_to(now_ms)
        value = phone.fix_value(now_ms, place, accuracy_m)
        return self._outbox.location(phone, now_ms + self._rng.randint(100, 1000), value)
