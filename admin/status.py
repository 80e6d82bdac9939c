"""Show how a stack is doing: `make status`."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from admin.config import in_force
from admin.errors import UserError, run
from admin.stack import LocalStack, Stack, add_stack_option, chosen, prices_are_real
from admin.text import counted, escaped, span
from pixian_s3.attempt import Outcome
from pixian_s3.aws.metrics import ENDINGS, attempts_by_minute
from pixian_s3.aws.pace_record import PaceRecord, Remembered
from pixian_s3.aws.queues import Depth, depth_of
from pixian_s3.aws.spending import Spending, Spent, limits, limits_named
from pixian_s3.config.document import Configuration
from pixian_s3.retry import BLOCKED_DELAY_SECONDS, MAX_DELAY_SECONDS

VERSION = 1
"""The version of the JSON document."""

HOUR_SECONDS = 3600
RATE_SECONDS = 600
"""The rate of the last ten minutes is taken for the rate to come."""

BLOCKED_SECONDS = 1200
"""How far back to look for blocked images: they are tried every 15 minutes at least."""

OLD_SECONDS = 10 * 24 * 3600
"""From this age of a message on, there is a warning; SQS deletes it after 13 days."""

SILENT_SECONDS = 300
"""PaceFunction runs every minute."""

_HELD_MINUTES = MAX_DELAY_SECONDS // 60
_BLOCKED_MINUTES = BLOCKED_DELAY_SECONDS // 60
_TRIED = f"Held images are tried every {_HELD_MINUTES} minutes."
_NEXT_CHECK = "The next check is 5 minutes after the last one."
_WAITING = (Outcome.BLOCKED, Outcome.PAUSED)
_MOST_PAGES = 50
_MOST_REASONS = 3

type Section = dict[str, Any]


@dataclass(frozen=True)
class Reader:
    """What a stack says about itself; each part is read once, when it is first needed.

    Attributes:
        stack: The stack.
        now: Seconds since the epoch.
    """

    stack: Stack
    now: float

    @cached_property
    def remembered(self) -> Remembered:
        """What PaceFunction saved."""
        record = PaceRecord(self.stack.client("dynamodb"), self.stack.outputs["LeaseTable"])
        return record.read()

    @cached_property
    def spent(self) -> Spent:
        """The credits of the day and the month."""
        spending = Spending(self.stack.client("dynamodb"), self.stack.outputs["LeaseTable"])
        return spending.spent(self.now)

    @cached_property
    def depth(self) -> Depth:
        """The messages in the retry queue."""
        return depth_of(self.stack.client("sqs"), self.stack.outputs["RetryQueueUrl"])

    @cached_property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return in_force(self.stack)

    @cached_property
    def attempts(self) -> tuple[str, Mapping[Outcome, Mapping[float, int]]]:
        """Where the attempts of the last hour were found, and how many there were by minute."""
        since = self.now - HOUR_SECONDS
        found = attempts_by_minute(
            self.stack.client("cloudwatch"), self.stack.stack_name, since, self.now
        )
        if found:
            return "metrics", found
        # The local AWS makes no metrics of the logs.
        counts: dict[Outcome, Counter[float]] = {}
        for at, image in self.lines(since, "{ $.image.attempt > 0 }", set(Outcome)):
            counts.setdefault(Outcome(image["outcome"]), Counter())[at // 60 * 60] += 1
        return "logs", counts

    def lines(
        self, since: float, pattern: str, outcomes: Container[Outcome]
    ) -> Iterator[tuple[float, dict[str, Any]]]:
        """The log lines of attempts, each with its time.

        Args:
            since: Seconds since the epoch.
            pattern: CloudWatch's filter. The local AWS doesn't apply it.
            outcomes: What else is left out.
        """
        pages = self.stack.client("logs").get_paginator("filter_log_events")
        for output in ("UploadLog", "RetryLog"):
            found = pages.paginate(
                logGroupName=self.stack.outputs[output],
                startTime=int(1000 * since),
                filterPattern=pattern,
            )
            for number, page in enumerate(found):
                if number == _MOST_PAGES:
                    raise UserError(
                        f"There are too many log lines to read them here. Look at {output}."
                    )
                for event in page["events"]:
                    image = _image(event["message"])
                    if image.get("outcome") in outcomes:
                        yield event["timestamp"] / 1000, image


def _image(message: str) -> dict[str, Any]:
    """What a log line says about an image; nothing if it isn't about one."""
    try:
        image = json.loads(message)["image"]
    except (ValueError, TypeError, KeyError):
        return {}
    return image if isinstance(image, dict) else {}


# ---- The sections of the document; docs/operations.md explains their fields ---------------------


def _lanes(reader: Reader) -> Section:
    pace, setting = reader.remembered.pace, reader.remembered.setting
    if pace is None or setting is None:
        raise UserError("PaceFunction is setting them, or hasn't run yet. Try again in a minute.")
    return {
        "upload": setting.lanes.upload,
        "retry": setting.lanes.retry,
        "upload_reserved": setting.reserved,
        "set_at": _iso(setting.set_at),
        "checked_at": _iso(pace.observed_at),
    }


def _queue(reader: Reader) -> Section:
    depth = reader.depth
    return {
        "waiting": depth.visible,
        "delayed": depth.delayed,
        "in_progress": depth.in_flight,
        "total": depth.total,
    }


def _oldest(reader: Reader) -> Section:
    if not reader.depth.total:
        return {"seconds": 0}
    queue = reader.stack.outputs["RetryQueueUrl"].rpartition("/")[2]
    found = reader.stack.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue}],
        StartTime=datetime.fromtimestamp(reader.now, UTC) - timedelta(minutes=15),
        EndTime=datetime.fromtimestamp(reader.now, UTC),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    if not found:
        raise UserError(
            "CloudWatch has no value for the last 15 minutes. The local AWS never has one."
        )
    newest = max(found, key=lambda point: point["Timestamp"])
    return {"seconds": round(newest["Maximum"])}


def _last_hour(reader: Reader) -> Section:
    source, attempts = reader.attempts
    counts = {str(outcome): sum(attempts.get(outcome, {}).values()) for outcome in Outcome}
    return {"source": source, **counts}


def _remaining(reader: Reader) -> Section:
    _, attempts = reader.attempts
    ended = Counter[float]()
    for outcome in ENDINGS:
        ended.update(attempts.get(outcome, {}))
    return remaining(reader.depth.total, ended, reader.now) | {"held_by": None}


def remaining(messages: int, ended: Mapping[float, int], now: float) -> Section:
    """How long the messages take at the rate of the last ten minutes.

    Args:
        messages: The messages in the retry queue.
        ended: How many images ended in each minute, by its beginning.
        now: Seconds since the epoch.

    Returns:
        `images_per_minute`, and `seconds`: None if nothing ended and something is left.
    """
    recent = {at: count for at, count in ended.items() if at >= now - RATE_SECONDS}
    # A backlog that began just now had no full ten minutes.
    minutes = max(1.0, (now - min(recent, default=now)) / 60)
    rate = sum(recent.values()) / minutes
    seconds = round(60 * messages / rate) if rate else (None if messages else 0)
    return {"images_per_minute": round(rate, 1), "seconds": seconds}


def _credits(reader: Reader) -> Section:
    return {"today": _number(reader.spent.day), "this_month": _number(reader.spent.month)}


def _budget(reader: Reader) -> Section:
    budget = reader.configuration.budget
    return {
        "credits_per_day": _number(budget.credits_per_day),
        "credits_per_month": _number(budget.credits_per_month),
    }


def _balance(reader: Reader) -> Section:
    balance = reader.remembered.balance
    if balance is None or (balance.credits is None and not balance.problem):
        raise UserError("PaceFunction hasn't asked Pixian yet. It does so once an hour.")
    if balance.credits is None:
        # The cause may be fixed already, or be one for which Pixian wasn't even asked.
        ago = span(reader.now - balance.asked_at)
        raise UserError(f"At the last check, {ago} ago: {balance.problem} {_NEXT_CHECK}")
    return {
        "credits": _number(balance.credits),
        "at": _iso(balance.credits_at),
        "checked_at": _iso(balance.asked_at),
        "problem": balance.problem or None,
    }


def _dead_letters(reader: Reader) -> Section:
    depth = depth_of(reader.stack.client("sqs"), reader.stack.outputs["DeadLetterQueueUrl"])
    return {"messages": depth.total}


def _blocked(reader: Reader) -> Section:
    images: dict[tuple[str, str], set[str]] = {}
    last: dict[tuple[str, str], float] = {}
    for at, image in _waiting_lines(reader):
        cause = (image["outcome"], str(image.get("reason", "")))
        images.setdefault(cause, set()).add(str(image.get("key", "")))
        last[cause] = max(at, last.get(cause, 0))
    newest_first = sorted(last, key=lambda cause: last[cause], reverse=True)
    return {
        "images": len(set().union(*images.values())),
        "reasons": [
            {
                "outcome": cause[0],
                "reason": cause[1],
                "images": len(images[cause]),
                "last_at": _iso(last[cause]),
            }
            for cause in newest_first
        ],
    }


def _waiting_lines(reader: Reader) -> list[tuple[float, dict[str, Any]]]:
    """The newest attempt of each image, if what blocked or paused it may still do so."""
    since = reader.now - BLOCKED_SECONDS
    if not _may_have_blocked(reader, since):
        return []
    # The other attempts of these images, too, but not those at all images, which would be many.
    pattern = " || ".join(f'$.image.outcome = "{outcome}"' for outcome in _WAITING)
    pattern += f" || $.image.end_to_end_ms >= {1000 * BLOCKED_DELAY_SECONDS}"
    newest: dict[str, tuple[float, dict[str, Any]]] = {}
    for at, image in reader.lines(since, f"{{ {pattern} }}", set(Outcome)):
        key = str(image.get("key", ""))
        if key not in newest or at >= newest[key][0]:
            newest[key] = (at, image)
    waiting = [(at, image) for at, image in newest.values() if image["outcome"] in _WAITING]
    try:
        configuration = reader.configuration
        is_spent = _is_spent(_credits(reader), _budget(reader))
    except (ClientError, BotoCoreError, UserError, KeyError):
        return waiting

    def still_holds(at: float, image: Mapping[str, Any]) -> bool:
        """Whether a pause is in force, or a budget hasn't been changed, nor its day passed."""
        if image["outcome"] == Outcome.PAUSED:
            settings = configuration.settings_for(str(image.get("key", "")))
            return settings.flag("pipeline.paused")
        named = limits_named(str(image.get("reason", "")))
        if named is None or is_spent:
            return True
        return named <= set(limits(configuration.budget)) and _day(at) == _day(reader.now)

    return [(at, image) for at, image in waiting if still_holds(at, image)]


def _may_have_blocked(reader: Reader, since: float) -> bool:
    """Whether it is worth reading the logs, which takes long after many images."""
    try:
        source, attempts = reader.attempts
    except (ClientError, BotoCoreError, UserError):
        return True
    return source == "logs" or any(
        at > since - 60 for outcome in _WAITING for at in attempts.get(outcome, {})
    )


def _paused(reader: Reader) -> Section:
    configuration = reader.configuration
    return {
        "stack": configuration.settings_for("").flag("pipeline.paused"),
        "prefixes": [
            prefix
            for prefix in sorted(configuration.prefixes)
            if configuration.settings_for(prefix).flag("pipeline.paused")
        ],
    }


_SECTIONS: dict[str, Callable[[Reader], Section]] = {
    "lanes": _lanes,
    "queue": _queue,
    "oldest_message": _oldest,
    "remaining": _remaining,
    "last_hour": _last_hour,
    "credits": _credits,
    "budget": _budget,
    "balance": _balance,
    "dead_letters": _dead_letters,
    "blocked": _blocked,
    "paused": _paused,
}


def status(stack: Stack, now: float) -> dict[str, Any]:
    """Everything about a stack, as a document for JSON.

    A section that can't be read is `{"error": why}`, and the others are there all the same.
    """
    reader = Reader(stack, now)
    sections = {name: _section(read, reader) for name, read in _SECTIONS.items()}
    if held := _held_by(sections):
        # However fast images ended so far, the others don't continue.
        sections["remaining"] |= {"seconds": None, "held_by": held}
    return {
        "version": VERSION,
        "stack": stack.stack_name,
        "at": _iso(now),
        "prices": "made up" if _is_fake(stack) else "real",
        **sections,
        "warnings": list(warnings(sections, now)),
    }


def _held_by(sections: Mapping[str, Section]) -> str:
    """What all images in the queue wait for: `pause` or `budget`; empty if nothing is known."""
    if "error" in sections["remaining"] or sections["remaining"]["seconds"] == 0:
        return ""
    return _holds(sections)


def held(stack: Stack, now: float) -> str:
    """What images that are sent now would wait for, in words; empty if nothing is known."""
    reader = Reader(stack, now)
    names = ("paused", "credits", "budget")
    holds = _holds({name: _section(_SECTIONS[name], reader) for name in names})
    return {
        "pause": "All images are paused, so these wait until `make resume`.",
        "budget": "The budget is spent, so images that cost credits wait for a higher one, or for "
        "the next day or month (UTC).",
    }.get(holds, "")


def _holds(sections: Mapping[str, Section]) -> str:
    if sections["paused"].get("stack"):
        return "pause"
    spent, budget = sections["credits"], sections["budget"]
    if "error" in spent or "error" in budget:
        return ""
    return "budget" if _is_spent(spent, budget) else ""


def _section(read: Callable[[Reader], Section], reader: Reader) -> Section:
    try:
        return read(reader)
    except (ClientError, BotoCoreError, UserError) as error:
        return {"error": str(error)}
    except KeyError as missing:
        return {"error": f"The stack has no {missing}. Deploy this version of it, then try again."}


def _is_fake(stack: Stack) -> bool:
    """Whether the stack calls a fake Pixian on this machine, which makes its prices up."""
    return isinstance(stack, LocalStack) and not prices_are_real(stack.pixian_endpoint)


def warnings(sections: Mapping[str, Section], now: float) -> Iterator[str]:
    """What somebody should do something about."""
    if sections["oldest_message"].get("seconds", 0) > OLD_SECONDS:
        yield (
            f"The oldest message is {_days(sections['oldest_message']['seconds'])} old. SQS "
            "deletes messages after 13 days, and then their images aren't processed. Fix what "
            "blocks them, raise the budget, end the pause, or allow more lanes."
        )
    checked_at = sections["lanes"].get("checked_at")
    if checked_at and (silent := now - _epoch(checked_at)) > SILENT_SECONDS:
        yield (
            f"PaceFunction hasn't finished a run for {span(silent)}. Images continue at its last "
            "pace. See its log (output PaceLog)."
        )
    if sections["dead_letters"].get("messages"):
        yield (
            "Images were given up. Read an error report (*.error.json in the output bucket), fix "
            "the cause, and run `make redrive`."
        )


# ---- The screen ---------------------------------------------------------------------------------


def screen(document: Mapping[str, Any]) -> str:
    """The document as text."""
    now = _epoch(document["at"])
    rows = [
        ("Lanes", _shown(document["lanes"], lambda lanes: _lanes_text(lanes, now))),
        ("Queue", _shown(document["queue"], _queue_text)),
        ("Oldest message", _shown(document["oldest_message"], _oldest_text)),
        ("Time left", _shown(document["remaining"], _remaining_text)),
        ("Last hour", _shown(document["last_hour"], _last_hour_text)),
        ("Credits", _credits_text(document)),
        ("Balance", _shown(document["balance"], lambda found: _balance_text(found, now))),
        ("Dead letters", _shown(document["dead_letters"], lambda found: f"{found['messages']:,}")),
        ("Paused", _shown(document["paused"], lambda found: _paused_text(found, document))),
        ("Blocked", _shown(document["blocked"], lambda found: _blocked_text(found, now))),
    ]
    lines = [f"{document['stack']}, {document['at'][:19].replace('T', ' ')} UTC", ""]
    lines += [f"{name:16}{text}" for name, text in rows]
    if document["prices"] == "made up":
        lines += ["", "The credits are made up by the fake Pixian."]
    lines += [f"\nWarning: {warning}" for warning in document["warnings"]]
    return "\n".join(lines)


def _shown(section: Section, text: Callable[[Section], str]) -> str:
    if "error" in section:
        return f"not known: {escaped(section['error'])}"
    return text(section)


def _lanes_text(lanes: Section, now: float) -> str:
    reserved = "" if lanes["upload_reserved"] else " (not reserved: the account's limit is too low)"
    when = span(now - _epoch(lanes["set_at"]))
    return f"upload {lanes['upload']}{reserved}, retry {lanes['retry']}; set {when} ago"


def _queue_text(queue: Section) -> str:
    return (
        f"{queue['waiting']:,} waiting, {queue['delayed']:,} delayed, "
        f"{queue['in_progress']:,} in progress"
    )


def _oldest_text(oldest: Section) -> str:
    return f"{span(oldest['seconds'])} old" if oldest["seconds"] else "none"


_HELD = {
    "pause": "images wait for `make resume`",
    "budget": "images wait for a higher budget, or the next day or month",
}


def _remaining_text(found: Section) -> str:
    rate = f"{found['images_per_minute']:,} images a minute"
    if found["held_by"]:
        return f"not known: {_HELD[found['held_by']]}"
    if found["seconds"] is None:
        return f"not known: no image has ended in the last 10 minutes. {_TRIED}"
    return f"about {span(found['seconds'])} at {rate}" if found["seconds"] else "nothing is left"


def _last_hour_text(found: Section) -> str:
    counts = ", ".join(f"{found[outcome]:,} {outcome}" for outcome in Outcome)
    return f"{counts} (from the {found['source']})"


def _credits_text(document: Mapping[str, Any]) -> str:
    budget = document["budget"]

    def text(spent: Section) -> str:
        day, month = (
            f" of {most:,g}" if (most := budget.get(name)) is not None else ""
            for name in ("credits_per_day", "credits_per_month")
        )
        why = f"; budget not known: {escaped(budget['error'])}" if "error" in budget else ""
        if "error" not in budget and not (day or month):
            why = "; no budget"
        if _is_spent(spent, budget):
            why = "; the budget is spent (calls of unknown outcome count), so images wait"
        return (
            f"{spent['today']:,.10g}{day} today, {spent['this_month']:,.10g}{month} this month "
            f"(UTC){why}"
        )

    return _shown(document["credits"], text)


def _is_spent(spent: Section, budget: Section) -> bool:
    pairs = (("today", "credits_per_day"), ("this_month", "credits_per_month"))
    limits = [(spent[name], budget.get(limit)) for name, limit in pairs]
    return any(limit is not None and credits_ >= limit for credits_, limit in limits)


def _balance_text(found: Section, now: float) -> str:
    when = span(now - _epoch(found["at"]))
    problem = ""
    if found["problem"]:
        checked = span(now - _epoch(found["checked_at"]))
        problem = f"; at the last check, {checked} ago: {escaped(found['problem'])} {_NEXT_CHECK}"
    return f"{found['credits']:,.10g} credits {when} ago{problem}"


def _paused_text(found: Section, document: Mapping[str, Any]) -> str:
    if not (found["stack"] or found["prefixes"]):
        return "no"
    names = "all images" if found["stack"] else ", ".join(map(escaped, found["prefixes"]))
    command = "make resume" if found["stack"] else "make resume PREFIX=…"
    held = _reasons(document["blocked"], Outcome.PAUSED)
    number = sum(each["images"] for each in held)
    seen = f" {counted(number)} in the last 20 minutes." if number else ""
    return f"{names}; `{command}` continues them.{seen} {_TRIED}"


def _blocked_text(found: Section, now: float) -> str:
    blocked = _reasons(found, Outcome.BLOCKED)
    if not blocked:
        return "no"
    reasons = [
        f"\n{'':16}- {escaped(each['reason'])} ({each['images']:,}, last "
        f"{span(now - _epoch(each['last_at']))} ago, tried every "
        f"{_HELD_MINUTES if limits_named(each['reason']) else _BLOCKED_MINUTES} minutes)"
        for each in blocked[:_MOST_REASONS]
    ]
    number = sum(each["images"] for each in blocked)
    return f"{counted(number)} in the last 20 minutes{''.join(reasons)}"


def _reasons(found: Section, outcome: Outcome) -> list[dict[str, Any]]:
    return [each for each in found.get("reasons", []) if each["outcome"] == outcome]


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%F}"


def _days(seconds: float) -> str:
    return f"{seconds // (24 * 3600):.0f} days"


def _iso(at: float) -> str:
    return datetime.fromtimestamp(round(at), UTC).isoformat().replace("+00:00", "Z")


def _epoch(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def main() -> None:
    """Show the status of the chosen stack."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.status",
        usage="%(prog)s [--json] [--stack NAME]\n       make status [JSON=1] [STACK=NAME]",
        description="Show how a stack is doing.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document (make: JSON=1)")
    add_stack_option(parser)
    arguments = parser.parse_args()
    document = status(chosen(arguments.stack), time.time())
    print(json.dumps(document, indent=2) if arguments.json else screen(document))


if __name__ == "__main__":
    run(main)
