"""The whole stack, in which one run is played after the other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.builders import NOON
from tests.fault_injection.aws import Aws, aws
from tests.fault_injection.environments import Environments, environments
from tests.fault_injection.plan import DOCUMENT, Run
from tests.fault_injection.play import Play, Record
from tests.fault_injection.standin import Pixian, pixian


@dataclass(frozen=True)
class World:
    """What outlives a run."""

    aws: Aws
    pixian: Pixian
    environments: Environments

    def play(self, run: Run) -> Record:
        """One image's way, from a state that no other run has touched."""
        self._begin(run)
        try:
            return Play(self.aws, self.pixian, self.environments, run).play()
        finally:
            self.environments.close()

    def _begin(self, run: Run) -> None:
        self.aws.clock.move_to(NOON)
        self.aws.clear()
        self.aws.gate.strikes.clear()
        self.pixian.gate.strikes.clear()
        self.pixian.reset()
        self.environments.begin(run.seed * 100_000 + run.number)


@contextmanager
def world(sabotage: Callable[[], None] | None = None) -> Iterator[World]:
    """The stack, as long as the context lasts; for `sabotage` see `Environments`."""
    with (
        pixian() as service,
        aws(DOCUMENT, service.url) as cloud,
        environments(cloud, sabotage) as made,
    ):
        yield World(cloud, service, made)
