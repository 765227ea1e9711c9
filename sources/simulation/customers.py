"""Customers of the bank, and the cards and devices that they use. All made up."""

from dataclasses import dataclass
from random import Random

# docs.stripe.com/testing: numbers that begin so are test cards, which no bank issues.
TEST_CARD_PREFIXES = ("400000", "424242")
_CARDS = (1, 1, 1, 2, 2, 3)
_MAIN_CARD_SHARE = 0.8


@dataclass(frozen=True, slots=True, repr=False)
class Customer:
    """Somebody with one to three cards, of which the first is used most."""

    user_id: str
    name: str
    cards: tuple[str, ...]

    @classmethod
    def random(cls, rng: Random) -> "Customer":
        """Somebody new."""
        user_id = f"{rng.getrandbits(32):08X}"
        cards = tuple(card_number(rng) for _ in range(rng.choice(_CARDS)))
        return cls(user_id, f"Customer {user_id[-3:]}", cards)

    def card(self, rng: Random) -> str:
        """The card that is used this time."""
        if len(self.cards) == 1 or rng.random() < _MAIN_CARD_SHARE:
            return self.cards[0]
        return rng.choice(self.cards)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose card is used, and the device that the bank knows the owner by."""

    customer: Customer
    device_id: str
    device_kind: str = "mobile"


def card_number(rng: Random) -> str:
    """A card number that passes Luhn's check and is nobody's."""
    digits = f"{rng.choice(TEST_CARD_PREFIXES)}{rng.randrange(10**9):09d}"
    return digits + luhn_digit(digits)


def luhn_digit(digits: str) -> str:
    """The check digit that ISO/IEC 7812 wants behind `digits`."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)


def random_uuid(rng: Random) -> str:
    """A UUID (version 4) that the seed decides."""
    digits = f"{rng.getrandbits(128):032x}"  # uuid.UUID takes three times as long
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
