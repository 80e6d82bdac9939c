"""Random steps break no promise, and they would show it if the program were broken."""

import pytest

from tests.builders import fresh_seed
from tests.stateful.run_attack import SABOTAGE_STEPS, attack, find
from tests.stateful.sabotage import SABOTAGES


@pytest.mark.parametrize("seed", [fresh_seed()])
def test_a_few_hundred_steps_break_no_promise(seed: int) -> None:
    attack(seed, steps=400)


@pytest.mark.parametrize("seed", [fresh_seed()])
@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_sabotage_is_found(sabotage: str, seed: int) -> None:
    # Twice as many as it may take: about one seed in 200 needs more for one of the five, and a test
    # must not fail for bad luck.
    assert find(sabotage, seed, 2 * SABOTAGE_STEPS)
