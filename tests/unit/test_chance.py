"""Random numbers for sketches: the published ones, in every process."""

from sketches.chance import Chance
from tests.chi_square import assert_follows


def test_the_numbers_are_the_published_ones() -> None:
    """SplitMix64 from the seed 1234567, as Rosetta Code has its first five."""
    chance = Chance(1234567)
    assert [chance.bits() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_numbers_below_are_even() -> None:
    """Each of seven comes as often as the others."""
    chance = Chance(3)
    assert_follows((chance.below(7) for _ in range(7000)), dict.fromkeys(range(7), 1 / 7))


def test_uniform_numbers_reach_neither_0_nor_1() -> None:
    """Their logarithms must exist, also at the ends of the range."""

    class Extreme(Chance):
        """Gives the least or greatest bits."""

        def bits(self) -> int:
            """All bits equal."""
            return self.state

    assert 0 < Extreme(0).uniform() < 1e-15
    assert 1 - 1e-15 < Extreme(2**64 - 1).uniform() < 1


def test_state_is_all_there_is() -> None:
    """From a snapshot the same numbers follow."""
    chance = Chance(-1)
    chance.bits()
    again = Chance(chance.state)
    assert [again.exponential() for _ in range(9)] == [chance.exponential() for _ in range(9)]


def test_what_is_absorbed_matters_on_both_sides() -> None:
    """Merging two ways gives other numbers, each reproducible."""
    states = set()
    for mine, other in ((1, 2), (1, 3), (2, 1), (1, 2)):
        chance = Chance(mine)
        chance.absorb(Chance(other))
        states.add(chance.state)
    assert len(states) == 3
