"""Process what is already in the input bucket: `make backfill`."""

import argparse
import fcntl
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, TextIO

from botocore.exceptions import ClientError

from admin import quote
from admin.config import document_in_force
from admin.errors import UserError, run
from admin.listing import KEPT_SECONDS, Group, Metadata, Wanted, Work, find, inventoried, listed
from admin.sending import Queue, send, stopping
from admin.stack import LocalStack, Stack, add_stack_option, chosen, prices_are_real
from admin.terminal import confirm
from admin.text import escaped
from pixian_s3.aws.spending import Spending
from pixian_s3.config.document import Budget, Configuration
from pixian_s3.config.document import parse as parse_configuration
from pixian_s3.errors import Blocked, InvalidConfiguration
from pixian_s3.pixian.credentials import parse as parse_credentials

STATE = Path(__file__).parent.parent / ".backfill"
"""What was sent, a file for each retry queue; so that a second run doesn't send it again."""

WEEK_SECONDS = 7 * 24 * 3600
USUAL_SECONDS = 5.0
"""The time that an image takes, if none was measured; docs/performance.md assumes the same."""

SETTLING_SECONDS = 60
"""SQS's numbers of messages may be wrong for so long after the last one was sent."""

_POLL_SECONDS = 5
_QUIET_POLLS = 3
_MADE_UP = " (made-up price of the fake Pixian)"
_MAX_FORMATS = 6
_SHORT_SECONDS = 60


@dataclass(frozen=True)
class Options:
    """What the command was asked for; see `main`."""

    prefix: str = ""
    manifest: str = ""
    sample: int = 20
    dry_run: bool = False
    yes: bool = False
    wait: bool = False
    wanted: Wanted = field(default_factory=Wanted)


@dataclass(frozen=True)
class Functions:
    """What the functions know: Pixian's endpoint, and the lanes at the start and at most."""

    endpoint: str
    start: int
    most: int


class Progress:
    """A line on a terminal that is written over; elsewhere a line now and then."""

    def __init__(self, total: int, verb: str, stream: TextIO = sys.stderr) -> None:
        self._total, self._verb, self._stream = total, verb, stream
        self._started = time.monotonic()
        self._first: int | None = None
        self._shown = float("-inf")

    def show(self, done: int, more: str = "") -> None:
        """Show how many images are done, the rate, and the time left."""
        now, is_terminal = time.monotonic(), self._stream.isatty()
        self._first = done if self._first is None else self._first
        if now - self._shown < (0.2 if is_terminal else 10) and done < self._total:
            return
        self._shown = now
        rate = (done - self._first) / max(now - self._started, 0.001)
        share = done / max(self._total, 1)
        bar = "#" * int(20 * share)
        parts = [f"[{bar:.<20}] {self._verb} {done:,} of {self._total:,}"]
        if rate > 0:
            parts.append(f"{rate:,.1f}/s, {duration((self._total - done) / rate)} left")
        line = ", ".join([*parts, more] if more else parts)
        print(f"\r\033[K{line}" if is_terminal else line, end="", file=self._stream, flush=True)
        if not is_terminal or done >= self._total:
            print(file=self._stream, flush=True)


class Backfill:
    """The command on one stack.

    Args:
        stack: The stack.
        options: What to do.
        state: The directory of the records of what was sent.
        now: Returns seconds since the epoch.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self,
        stack: Stack,
        options: Options,
        state: Path = STATE,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stack, self._options, self._state = stack, options, state
        self._now, self._sleep = now, sleep
        self._outputs = stack.outputs
        self._s3 = stack.client("s3")
        self._input, self._output = self._outputs["InputBucket"], self._outputs["OutputBucket"]
        url = self._outputs["RetryQueueUrl"]
        run_id = f"{datetime.fromtimestamp(now(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        self._queue = Queue(stack.client("sqs"), url, self._input, run_id)
        self._functions = self._read_functions()
        self._made_up = "" if prices_are_real(self._functions.endpoint) else _MADE_UP

    def run(self) -> None:
        """Find, quote, ask, send and follow, as far as the options say.

        Raises:
            UserError: Something is wrong with the stack or the options, or the answer wasn't yes.
            NeedsAnswer: There is nobody to ask.
            KeyboardInterrupt: Ctrl-C; what was sent is recorded.
        """
        options = self._options
        configuration = self._configuration()
        with self._work() as work:
            self._print_left_out(self._find(work, configuration))
            unsent, waiting = work.counts()
            if waiting:
                print(f"{waiting:,} images were sent by an earlier run and wait in RetryQueue.")
            seconds = USUAL_SECONDS
            if unsent:
                seconds = self._quote(work, configuration, unsent, waiting)
            else:
                print("Nothing is left to send.")
            if options.dry_run or not (unsent or (waiting and options.wait)):
                return
            charged = self._charged()
            if unsent:
                print()
                confirm(f"Send {unsent:,} images for processing?", yes=options.yes)
                self._send(work, seconds, unsent)
            if options.wait:
                self._follow(work, unsent + waiting, charged)

    # ---- find ---------------------------------------------------------------------------------

    @contextmanager
    def _work(self) -> Iterator[Work]:
        name = re.sub(r"[^\w.-]+", "_", self._outputs["RetryQueueUrl"].partition("://")[2])
        self._state.mkdir(parents=True, exist_ok=True)
        with (self._state / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError("A backfill of this stack is already running.") from None
            work = Work.at(self._state / f"{name}.sqlite")
            try:
                work.forget_sent(self._now() - KEPT_SECONDS)
                is_settled = self._now() - work.last_sent_at() > SETTLING_SECONDS
                # Twice, because each is an estimate.
                if is_settled and not self._queue.depth() and not self._queue.depth():
                    work.forget_sent(self._now())
                yield work
            finally:
                work.close()

    def _configuration(self) -> Configuration:
        try:
            return parse_configuration(document_in_force(self._stack))
        except InvalidConfiguration as error:
            raise UserError(
                f"The configuration in force can't be used: {error}\n"
                "Publish another one: make config FILE=…"
            ) from error

    def _find(self, work: Work, configuration: Configuration) -> Counter[str]:
        prefix, manifest = self._prefix(), self._options.manifest
        print("Listing the buckets …", file=sys.stderr, flush=True)
        work.set_outputs(listed(self._s3, self._output, ""))
        if manifest:
            objects = inventoried(self._s3, manifest, self._input, prefix)
        else:
            objects = listed(self._s3, self._input, prefix)
        same, wanted = self._input == self._output, self._options.wanted
        return find(objects, work, configuration, self._head, wanted, same_bucket=same)

    def _prefix(self) -> str:
        """The beginning of the keys: PREFIX, within the stack's InputPrefix."""
        given, own = self._options.prefix, self._outputs.get("InputPrefix", "")
        if own.startswith(given):
            return own
        if not given.startswith(own):
            raise UserError(f"PREFIX={given}: this stack only processes images under {own}.")
        return given

    def _head(self, key: str) -> Metadata:
        try:
            found: Metadata = self._s3.head_object(Bucket=self._output, Key=key)["Metadata"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return {}
            raise
        return found

    def _print_left_out(self, left_out: Counter[str]) -> None:
        if left_out:
            print("Left out:")
        for reason, number in left_out.most_common():
            print(f"  {number:>9,}  {reason}")

    # ---- quote --------------------------------------------------------------------------------

    def _quote(self, work: Work, configuration: Configuration, unsent: int, waiting: int) -> float:
        """Print what the images will cost; return the seconds that one occupies a lane."""
        groups = work.groups()
        size = sum(group.bytes for group in groups)
        print(f"\n{unsent:,} images to process, {_megabytes(size)}:")
        pixian = self._pixian()
        strata, seconds = list[quote.Stratum](), list[float]()
        for prefix, of_prefix in groupby(groups, lambda group: group.prefix):
            formats = list(of_prefix)
            number, size = sum(each.images for each in formats), sum(each.bytes for each in formats)
            print(f"  {prefix or '(defaults)'}  {number:,} images, {_megabytes(size)}")
            print(f"    {_formats(formats)}")
            prices = self._prices(work, prefix, configuration, pixian) if pixian else []
            seconds += [each.seconds for each in prices]
            credits_ = [each.credits for each in prices]
            self._print_prices(credits_, test=formats[0].test)
            if not formats[0].test:
                strata.append(quote.Stratum(number, credits_))
        each = max(fmean(seconds), 0.1) if seconds else USUAL_SECONDS
        estimate = quote.estimate(strata)
        self._print_cost(estimate, is_free=not strata, pixian=pixian, budget=configuration.budget)
        self._print_time(unsent, waiting, each, is_measured=bool(seconds))
        return each

    def _pixian(self) -> quote.Pixian | None:
        secret = self._outputs["CredentialsSecretArn"]
        found = self._stack.client("secretsmanager").get_secret_value(SecretId=secret)
        try:
            return quote.Pixian(self._functions.endpoint, parse_credentials(found["SecretString"]))
        except Blocked as error:
            print(f"Pixian can't be asked for prices: {error}")
            return None

    def _prices(
        self, work: Work, prefix: str, configuration: Configuration, pixian: quote.Pixian
    ) -> list[quote.Price]:
        prices, reasons = list[quote.Price](), Counter[str]()
        for image in work.sample(prefix, self._options.sample):
            if image.object.bytes > quote.MAX_SAMPLE_BYTES:
                reasons["It is too large to sample"] += 1
                continue
            key, form = image.object.key, configuration.settings_for(image.object.key).form
            try:
                body = self._s3.get_object(Bucket=self._input, Key=key)["Body"].read()
                prices.append(pixian.price(key, body, form))
            except ClientError as error:
                reasons[f"S3 answered {error.response['Error']['Code']}"] += 1
            except quote.NoPrice as error:
                reasons[str(error)] += 1
            except quote.NoPrices as error:
                print(f"    Pixian can't be asked for prices: {escaped(str(error))}.")
                break
        for reason, number in reasons.most_common():
            print(f"    {number} without a price, counted like the others: {escaped(reason)}.")
        return prices

    def _print_prices(self, credits_: list[Decimal], *, test: bool) -> None:
        mean = f"{fmean(credits_):.4f} credits an image" if credits_ else "no price known"
        sampled = f"{len(credits_)} sampled"
        if test:
            live = f"; live, {mean}{self._made_up}, {sampled}" if credits_ else ""
            print(f"    test mode: free{live}")
        else:
            print(f"    {mean}{self._made_up if credits_ else ''}, {sampled}")

    def _print_cost(
        self,
        estimate: quote.Estimate | None,
        *,
        is_free: bool,
        pixian: quote.Pixian | None,
        budget: Budget,
    ) -> None:
        if is_free:
            print("Cost     nothing: test mode")
            return
        print(f"Cost     {self._cost(estimate)}")
        if self._options.wanted.reports:
            print(
                "         Files that are rejected again, such as camera RAW, are counted, but cost "
                "nothing."
            )
        balance = pixian.balance() if pixian else None
        if balance is None:
            print("Balance  unknown")
        else:
            print(f"Balance  {balance:,f} credits{self._made_up}")
            if estimate and balance < (estimate.high or estimate.credits):
                print("         It may not suffice. Images then wait until you buy more credits.")
        if budget != Budget():
            self._print_budget(estimate, budget)

    def _print_budget(self, estimate: quote.Estimate | None, budget: Budget) -> None:
        table = self._outputs["LeaseTable"]
        spent = Spending(self._stack.client("dynamodb"), table).spent(self._now())
        for name, most, used in (
            ("day", budget.credits_per_day, spent.day),
            ("month", budget.credits_per_month, spent.month),
        ):
            if most is None:
                continue
            left, over = max(Decimal(0), most - used), ""
            if estimate and most and estimate.credits > most:
                over = f", so this takes {estimate.credits / most:,.1f} {name}s"
            elif estimate and estimate.credits > left:
                over = f", so some images wait for the next {name}"
            print(
                f"Budget   {left:,f} credits left of {most:,f} a {name} (UTC){over}{self._made_up}"
            )

    def _cost(self, estimate: quote.Estimate | None) -> str:
        if estimate is None:
            return "unknown"
        between = "no interval, because too few were sampled"
        if estimate.low == estimate.high is not None:
            between = "all were asked about, or cost the same"
        elif estimate.low is not None:
            between = f"{estimate.low:,f} to {estimate.high:,f} with 95 % confidence"
        return f"about {estimate.credits:,f} credits ({between}){self._made_up}"

    def _print_time(self, unsent: int, waiting: int, each: float, *, is_measured: bool) -> None:
        depth, lanes, most = self._queue.depth(), self._lanes(), self._functions.most
        if others := max(0, depth - waiting):
            print(
                f"Queue    {others:,} other messages wait in RetryQueue. Some may be about images "
                "of this list. Such an image gets a second message, but is paid for only once."
            )
        images, source = depth + unsent, "measured here" if is_measured else "assumed"
        now, then = (images * each / _for_backlog(number) for number in (lanes, most))
        how = f"({each:.1f} s an image, {source})"
        if max(now, then) < _SHORT_SECONDS:
            print(f"Time     less than a minute {how}")
        else:
            print(
                f"Time     {duration(now)} with {lanes} lanes as now, {duration(then)} with {most} "
                f"at the end of the ramp {how}"
            )

    def _read_functions(self) -> Functions:
        functions = self._stack.client("lambda")

        def variables(name: str) -> dict[str, str]:
            about = functions.get_function_configuration(FunctionName=self._outputs[name])
            found: dict[str, str] = about["Environment"]["Variables"]
            return found

        pace = variables("PaceFunction")
        start, most = int(pace["START_CONCURRENCY"]), int(pace["MAX_CONCURRENCY"])
        return Functions(pace["PIXIAN_ENDPOINT"], start, max(start, most))

    def _item(self, id_: str) -> dict[str, Any]:
        table = self._outputs["LeaseTable"]
        answer = self._stack.client("dynamodb").get_item(TableName=table, Key={"id": {"S": id_}})
        item: dict[str, Any] = answer.get("Item", {})
        return item

    def _lanes(self) -> int:
        return int(self._item("pace").get("lanes", {}).get("N", self._functions.start))

    # ---- send ---------------------------------------------------------------------------------

    def _send(self, work: Work, seconds: float, unsent: int) -> None:
        progress = Progress(unsent, "sent")

        def capacity() -> int:
            return int(WEEK_SECONDS * _for_backlog(self._lanes()) / seconds)

        with stopping() as stop:
            sent = send(
                work,
                self._queue,
                capacity=capacity,
                now=self._now,
                stop=stop,
                show=progress.show,
            )
            if stop.is_set():
                print(f"\nSent {sent:,} of {unsent:,}. Run the command again to send the rest.")
                raise KeyboardInterrupt
        print(f"Sent {sent:,} images.")

    # ---- follow -------------------------------------------------------------------------------

    def _follow(self, work: Work, total: int, charged: Decimal) -> None:
        progress, quiet, before = Progress(total, "ended"), 0, -1
        while True:
            started = self._now()
            idle = self._queue.depth() == 0
            work.set_outputs(listed(self._s3, self._output, ""))
            results, reports, left = work.endings()
            progress.show(total - left, self._spent(charged))
            quiet = quiet + 1 if idle and left == before else 0
            if not left or quiet >= _QUIET_POLLS:
                break
            before = left
            # A long listing costs money, so it mustn't be repeated all the time.
            self._sleep(max(_POLL_SECONDS, 5 * (self._now() - started)))
        dead = sum(self._head(key).get("final") == "false" for key in reports)
        print(
            f"\n{results:,} results, {len(reports) - dead:,} error reports, {dead:,} dead letters"
        )
        if left:
            print(
                f"{left:,} without a new ending, although RetryQueue is empty: they were skipped. "
                "The log says why (image.reason)."
            )
        print(f"{self._spent(charged)} since the start, other images of this stack included")
        if results:
            name = "" if isinstance(self._stack, LocalStack) else f" STACK={self._stack.stack_name}"
            print(f"To see the newest results, those to look at closer first: make look{name}")

    def _spent(self, before: Decimal) -> str:
        return f"{self._charged() - before:,f} credits{self._made_up}"

    def _charged(self) -> Decimal:
        """The credits charged this month and the one before, for differences."""
        today = datetime.fromtimestamp(self._now(), UTC)
        last = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
        months = (f"{today:%Y-%m}", f"{last[0]:04}-{last[1]:02}")
        items = [self._item(f"credits#{month}") for month in months]
        return sum((Decimal(item.get("credits", {}).get("N", "0")) for item in items), Decimal(0))


def _for_backlog(lanes: int) -> int:
    """The lanes that process the retry queue: one is kept for fresh uploads."""
    return max(2, lanes - 1)


def _formats(formats: list[Group]) -> str:
    shown = [f"{each.images:,} {each.format or 'without a suffix'}" for each in formats]
    rest = sum(each.images for each in formats[_MAX_FORMATS:])
    return ", ".join(shown[:_MAX_FORMATS]) + (f", {rest:,} others" if rest else "")


def _megabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """A time in words, such as 45 s, 18 min, 6.6 h or 2.4 d."""
    for limit, unit, name in ((90, 1, "s"), (5400, 60, "min")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} d"


def main() -> None:
    """Find the images without a result or report, say what they will cost, ask, and send them."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.backfill",
        usage="%(prog)s [--stack NAME] [--prefix PREFIX] …\n"
        "       make backfill [STACK=NAME] [PREFIX=…] [DRY_RUN=1] …",
        description="Process the images in the input bucket that have no result and no report.",
    )
    add_stack_option(parser)
    parser.add_argument("--prefix", default="", help="only keys that begin like this (PREFIX=)")
    parser.add_argument(
        "--manifest",
        default="",
        metavar="S3_URI",
        help="list the input bucket from this manifest.json of an S3 Inventory (MANIFEST=)",
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=Options.sample,
        metavar="NUMBER",
        help="images of each configured prefix to send to Pixian in test mode, which is free, for "
        "their prices; 0 sends none; default: 20 (SAMPLE=)",
    )
    for name, what in (
        ("--dry-run", "say what it would do, and queue nothing (DRY_RUN=1)"),
        ("--yes", "don't ask (YES=1)"),
        ("--wait", "wait until all images have ended (WAIT=1)"),
        ("--reports", "also images that have an error report (REPORTS=1)"),
        ("--tests", "also images whose result was made in test mode (TESTS=1)"),
    ):
        parser.add_argument(name, action="store_true", help=what)
    given = parser.parse_args()
    if given.sample < 0:
        raise UserError(f"SAMPLE={given.sample}: must be 0 or more.")
    options = Options(
        given.prefix,
        given.manifest,
        given.sample,
        given.dry_run,
        given.yes,
        given.wait,
        Wanted(given.reports, given.tests),
    )
    Backfill(chosen(given.stack), options).run()


if __name__ == "__main__":
    run(main)
