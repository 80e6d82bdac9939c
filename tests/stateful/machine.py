"""The rules: what users, operators, Lambda and the services may do, in any order."""

import json
from contextlib import ExitStack
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.stateful.invocation import Invocation, Stop
from tests.stateful.ledger import Upload
from tests.stateful.services import REPLIES, Message
from tests.stateful.world import DAY, Fault, World, starve

# What comes more than once is drawn more often.
KEYS = st.sampled_from(("a.jpg", "a.jpg", "a.jpg", "a.jpg", "a.gif", "b.jpg"))
CONTENTS = st.sampled_from(("red", "blue", "broken"))
USES = ("result", "result", "report", "report", "foreign", "foreign", "source", "put")
RESULTS = ("a.png", "a.jpg", "b.png")
FAULTS = {
    "acquire": ("refused", "lost"),
    "note": ("refused", "lost"),
    "release": ("refused", "lost"),
    "count": ("refused",),
    "head result": ("refused", "denied"),
    "head report": ("refused", "denied"),
    "get source": ("refused", "denied"),
    "get report": ("refused", "denied"),
    "put result": ("refused", "lost", "denied", "late", "late", "late"),
    "put sidecar": ("refused", "lost", "denied"),
    "put report": ("refused", "lost", "denied"),
    "create result": ("refused", "lost", "denied"),
    "abort result": ("refused",),
    "head sidecar": ("refused", "denied"),
    "delete sidecar": ("refused", "lost", "denied", "late"),
    "delete report": ("refused", "lost", "denied", "late", "late", "late"),
    "send": ("refused", "lost"),
    "send dead letter": ("refused", "lost"),
    "secret": ("refused",),
    "appconfig": ("refused",),
    "output": ("gone",),
    "pixian": tuple(REPLIES),
}
POINTS = (*FAULTS, *4 * ("pixian",), *3 * ("put result",), *3 * ("delete report",))
BOUNDARIES = [
    f"{when} {point}" for point in FAULTS if point != "output" for when in ("before", "after")
]
WEAK = ["after pixian", "before put result"] * 12
STOPS = st.builds(Stop, st.sampled_from(("pause", "kill")), st.sampled_from(BOUNDARIES + WEAK))
OVERLAPS = ("before put result", "before put result", "after pixian", "before put report")


# The first one is what Hypothesis takes for the simplest: what it can't leave out when it shrinks.
WORK = {
    "nothing": 1,
    "wait": 1,
    "upload": 3,
    "upload_two": 1,
    "spoil": 2,
    "repeat": 4,
    "deliver": 5,
    "stop": 8,
    "overlap": 8,
    "resume": 6,
    "move": 2,
    "interfere": 3,
}
DISTURBANCES = {"configure": 3, "break": 6, "repair": 2, "user": 3, "restart": 1, "settle": 3}


class Attack(RuleBasedStateMachine):
    """Attacks a world.

    One rule draws what happens, by weight: with a rule for each kind of step, most examples would
    lack uploads or deliveries, as Hypothesis leaves out half of the rules in each.

    Attributes:
        steps: The steps that all machines made together.
        seed: The seed of the current round.
    """

    steps: ClassVar[int] = 0
    seed: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        self.world = World()
        self._open.enter_context(self.world.connected())
        self._judged = self._settled = self._jumped = False

    @initialize(
        sidecars=st.sampled_from(((True,), (False,), (True, False))),
        # With many duplicates, few deliveries come to a call; with few, little is overtaken.
        duplicated=st.sampled_from(((False, True), 5 * (False,) + (True,))),
        without=st.just(set(DISTURBANCES)) | st.sets(st.sampled_from(sorted(DISTURBANCES))),
    )
    def begin(
        self, sidecars: tuple[bool, ...], without: set[str], duplicated: tuple[bool, ...]
    ) -> None:
        self._duplicated = st.sampled_from(duplicated)
        self._sidecars = st.sampled_from(sidecars)
        disturbances = {name: n for name, n in DISTURBANCES.items() if name not in without}
        weights = WORK | disturbances
        self._actions = [name for name, weight in weights.items() for _ in range(weight)]
        self._publish("png", 25_000_000, enabled=True, sidecar=sidecars[0])

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        world = self.world
        possible: dict[str, object] = {
            "deliver": world.waiting,
            "stop": world.waiting,
            "overlap": world.waiting,
            "resume": world.paused,
            "move": world.waiting or world.ledger.dead,
            "repeat": self._known(),
            "spoil": self._with_result(),
            "repair": world.faults or world.late,
            "interfere": self._busy() or self._foreign(),
            "user": world.known(),
            "restart": world.lanes,
        }
        actions = [name for name in self._actions if possible.get(name, True)]
        action = data.draw(st.sampled_from(actions))
        if action == "nothing":
            return
        self._draw = data.draw
        self._step()
        self._settled, self._judged = self._judged, False
        getattr(self, f"_{action}")()
        self._check()

    @staticmethod
    def _step() -> None:
        Attack.steps += 1

    def _one[T](self, things: list[T]) -> T:
        return things[self._draw(st.integers(0, len(things) - 1))]

    def _known(self) -> list[Upload]:
        return [upload for upload in self.world.known() if not upload.forgotten]

    # ---- uploads and deliveries ----------------------------------------------------------------

    def _upload(self) -> None:
        self.world.notify(self.world.upload(self._draw(KEYS), self._draw(CONTENTS)))

    def _upload_two(self) -> None:
        keys = [self._draw(KEYS), self._draw(KEYS)]
        self.world.notify(*[self.world.upload(key, self._draw(CONTENTS)) for key in keys])

    def _spoil(self) -> None:
        """Upload a broken file over one that has its result, and let its event come next."""
        self.world.notify(self.world.upload(self._one(self._with_result()).key, "broken"))
        self._deliver_last()

    def _with_result(self) -> list[Upload]:
        stored = self.world.ledger.output.values()
        return [each.upload for each in stored if each.kind == "result" and each.upload]

    def _repeat(self) -> None:
        """Let S3 send an event once more, which may come before all that waits.

        Most often that of an upload whose result is still there although a newer one came.
        """
        newest = [uploads[-1] for uploads in self.world.ledger.uploads.values()]
        known, results = self._known(), self._with_result()
        overtaken = [each for each in known if each in results and each not in newest]
        self._notify_again(self._one(known + 4 * overtaken))
        if self._draw(st.booleans()):
            self._deliver_last()

    def _stop(self) -> None:
        self._deliver(self._draw(STOPS))

    def _deliver(self, stop: Stop | None = None) -> None:
        again = self._draw(self._duplicated)
        lane = self.world.lane(self._draw(st.integers(0, 2)))
        self.world.deliver(self._one(self.world.waiting), lane, stop, again=again)

    def _overlap(self) -> None:
        """Pause an invocation at a write or in its call, and let others be faster."""
        before = len(self.world.paused)
        self._deliver(Stop("pause", self._draw(st.sampled_from(OVERLAPS))))
        if len(self.world.paused) == before:
            return  # it didn't come to that
        invocation = self.world.paused[-1]
        self._step()
        self._anticipate(invocation)
        if self._draw(st.booleans()):
            self._step()
            self._continue(invocation)

    def _anticipate(self, invocation: Invocation) -> None:
        """A user, a duplicate or a newer upload comes before what a paused invocation does next."""
        source = invocation.source
        if source is None:
            return  # it gives an upload up without having read it
        match self._draw(st.sampled_from(("put", "put", "twin", "twin", "newer"))):
            case "put":
                self._put(self._aim(invocation))
            case "twin":
                self._notify_again(source)
                self._deliver_last()
            case _:
                self.world.notify(self.world.upload(source.key, self._draw(CONTENTS)))
                self._deliver_last()

    def _notify_again(self, upload: Upload) -> None:
        self.world.say(f"repeat the event of {upload}")
        self.world.notify(upload)

    def _deliver_last(self) -> None:
        self._step()
        self.world.deliver(self.world.waiting[-1], self.world.lane(0), None)

    def _resume(self) -> None:
        self._continue(self._one(self.world.paused))

    def _continue(self, paused: Invocation) -> None:
        self.world.say(f"resume {paused.name}")
        self.world.run(paused, self._draw(st.none() | STOPS))

    def _move(self) -> None:
        """Redrive dead letters; or Lambda or SQS moves an item on, without room for it."""
        if self.world.ledger.dead:
            self.world.say("redrive")
            return self.world.redrive()
        item = self._one(self.world.waiting)
        if isinstance(item, Message):
            starve(item)
            return self.world.say(f"receive the {self.world.about(item)} 5 times without room")
        self.world.say(f"forward the {self.world.about(item)} to the retry queue")
        return self.world.forward(item)

    # ---- operators, users and services ----------------------------------------------------------

    def _configure(self) -> None:
        if self._draw(st.integers(0, 7)) == 7:
            self.world.publish("{", serves=False)
            return self.world.say("publish an invalid document")
        return self._publish(
            self._draw(st.sampled_from(("png", "jpeg", "delta_png"))),
            self._draw(st.sampled_from((25_000_000, 100_000))),
            enabled=self._draw(st.sampled_from((True, True, True, False))),
            sidecar=self._draw(self._sidecars),
            paused=self._draw(st.sampled_from((False, False, False, False, True))),
        )

    def _publish(
        self, form: str, max_pixels: int, *, enabled: bool, sidecar: bool, paused: bool = False
    ) -> None:
        pipeline = {"enabled": enabled, "sidecar": sidecar, "paused": paused}
        values = {"output.format": form, "max_pixels": max_pixels, "pipeline": pipeline}
        self.world.publish(json.dumps({"defaults": values}), serves=not paused)
        about = f"publish {form}, {max_pixels=}, {enabled=}, {sidecar=}"
        self.world.say(f"{about}, paused" if paused else about)

    def _break(self) -> None:
        point = self._draw(st.sampled_from(POINTS))
        kind = self._draw(st.sampled_from(FAULTS[point]))
        # A late answer would be late for each retry; a lost one leads nowhere if it lasts.
        lasting = point == "output" or (kind not in {"late", "lost"} and self._draw(st.booleans()))
        self.world.faults[point] = Fault(kind, lasting)
        self.world.say(f"{'from now on' if lasting else 'once'}: {point} {kind}")

    def _repair(self) -> None:
        """Repair everything; then requests arrive that were late."""
        self.world.say("repair everything")
        self.world.repair()
        self.world.land()

    def _restart(self) -> None:
        self.world.restart(self._draw(st.integers(0, 2)))
        self.world.say("an execution environment is replaced")

    def _user(self) -> None:
        """A user deletes something in one of the buckets, or puts something into the output."""
        output = self.world.ledger.output
        action = self._draw(st.sampled_from(USES))
        if action == "source":
            upload = self._one(list(self.world.ledger.uploads.values()))[-1]
            self.world.say(f"a user deletes the version {upload}")
            self.world.delete_source(upload)
        elif action == "put":
            self._put(self._draw(st.sampled_from(RESULTS)))
        elif keys := [key for key, stored in output.items() if stored.kind == action]:
            self._delete(self._one(keys))

    def _delete(self, key: str) -> None:
        of = self.world.ledger.output[key].upload or "their own"
        self.world.say(f"a user deletes {key} of {of}")
        self.world.user_deletes(key)

    def _interfere(self) -> None:
        """A user puts an object where an invocation is about to store a result, or removes one."""
        busy, foreign = self._busy(), self._foreign()
        removes = self._draw(st.booleans()) if busy else True
        if foreign and removes:
            return self._delete(self._one(foreign))
        return self._put(self._aim(self._one(busy)))

    def _aim(self, invocation: Invocation) -> str:
        """The key at which an invocation is about to store a result, as far as that is known."""
        if invocation.where.startswith("before put result"):
            return invocation.where.split()[-1]
        assert invocation.source
        stem = invocation.source.key.split(".")[0]
        return stem + self._draw(st.sampled_from((".png", ".png", ".jpg")))

    def _foreign(self) -> list[str]:
        output = self.world.ledger.output
        return [key for key, stored in output.items() if stored.kind == "foreign"]

    def _busy(self) -> list[Invocation]:
        return [each for each in self.world.paused if each.source]

    def _put(self, key: str) -> None:
        if key in self.world.ledger.output:
            self.world.user_deletes(key)
        self.world.say(f"a user puts {key} into the output bucket")
        self.world.user_puts(key)

    # ---- time -----------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait. 5 days are longer than images stay blocked, and shorter than queues keep messages;
        15 days are longer than leases and messages are kept.
        """
        longest = 15 if self._settled and not self.world.ledger.dead else 0 if self._jumped else 5
        seconds = self._draw(st.sampled_from((61, 301, 901, longest * DAY)))
        self._jumped = self._jumped or seconds == 5 * DAY
        for upload in self.world.known() if seconds == 15 * DAY else ():
            upload.forgotten = True
        self.world.say(f"{seconds} s pass")
        self.world.now += seconds
        self.world.expire()

    def _settle(self) -> None:
        self.world.settle()
        self._jumped, self._judged = False, True
        self._check()

    def _check(self) -> None:
        if self.world.violations:
            self._judged = True
            wrong = "\n".join(self.world.violations)
            raise AssertionError(f"{wrong}\n\n" + "\n".join(self.world.steps))

    def teardown(self) -> None:
        try:
            if not self._judged:
                self._settle()
        finally:
            self.world.close()
            self._open.close()
