"""Attack the program with random steps: `make attack`."""

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.builders import fresh_seed
from tests.stateful.machine import Attack
from tests.stateful.sabotage import SABOTAGES

STEPS = 20_000
SABOTAGE_STEPS = 2_000
"""Within as many steps, each sabotage must be found."""

STEPS_OF_ONE = 40
EXAMPLES = 10
"""As many in a round as Hypothesis generates before it begins to vary its own examples, which
repeats steps rather than finding new ones."""


def attack(first_seed: int, steps: int, *, shrink: bool = True) -> int:
    """Run rounds of examples, and return the number of steps made.

    Raises:
        AssertionError: What must not be, with the steps that lead there.
    """
    Attack.steps = 0
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    each = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS_OF_ONE,
        phases=phases,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    number = first_seed
    while Attack.steps < steps:
        Attack.seed = number
        run_state_machine_as_test(seed(number)(Attack), settings=each)
        number += 1
    return Attack.steps


def find(sabotage: str, seed: int, steps: int) -> int | None:
    """Attack a sabotaged program; return the steps after which it was found, or None."""
    with SABOTAGES[sabotage]():
        try:
            attack(seed, steps, shrink=False)
        except AssertionError:
            return Attack.steps
    return None


def main() -> None:
    """Run as many steps as asked for, and print the counterexample if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.stateful", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=fresh_seed())
    parser.add_argument("--sabotage", action="store_true", help="count the steps to find each")
    arguments = parser.parse_args()
    print(f"SEED={arguments.seed}", flush=True)
    if arguments.sabotage:
        found = {name: find(name, arguments.seed, SABOTAGE_STEPS) for name in SABOTAGES}
        for name, steps in found.items():
            print(f"{steps or 'never':>5}", name)
        sys.exit(None in found.values())
    began = time.monotonic()
    try:
        done = attack(arguments.seed, arguments.steps)
    except AssertionError as error:
        print(error)
        sys.exit(f"To repeat it: make attack SEED={Attack.seed} STEPS=1")
    print(f"{done} steps in {time.monotonic() - began:.0f} s, and no counterexample.")
