"""Random steps break no promise, and they would show it if the program were broken."""

import pytest

from tests.builders import fresh_seed
from tests.stateful.run_attack import attack, find
from tests.stateful.sabotage import SABOTAGES


@pytest.mark.parametrize("seed", [fresh_seed()])
def test_a_few_hundred_steps_break_no_promise(seed: int) -> None:
    attack(seed, steps=400)


@pytest.mark.parametrize("seed", [fresh_seed()])
@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_sabotage_is_found(sabotage: str, seed: int) -> None:
    # It takes 2,000 steps at most, nearly always: a test must not fail for bad luck.
    assert find(sabotage, seed, steps=10_000)
