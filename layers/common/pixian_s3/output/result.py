"""From Pixian's answer to what stands in the output bucket."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile

from pixian_s3.aws.s3 import Gone, Overtaken, Result, Source
from pixian_s3.config.document import Settings
from pixian_s3.errors import AlreadyDone, Claimed, Rejected, Skipped, Unavailable
from pixian_s3.images import delta_png, identify
from pixian_s3.images.prepare import Prepared
from pixian_s3.output import keys, metadata
from pixian_s3.output.metadata import StoredObject, Verdict
from pixian_s3.output.sidecar import sidecar
from pixian_s3.pixian.client import CutOut
from pixian_s3.services import Services
from pixian_s3.story import Story

_MAX_RACES = 3


def result_key(suffix: str, story: Story, settings: Settings) -> str:
    """Where the result goes; a key that is too long for what goes beside it is refused, too."""
    key = keys.result_key(story.job.key, suffix, settings.text("pipeline.result_key"))
    if settings.flag("pipeline.sidecar"):
        keys.sidecar_key(key)
    return key


def look(key: str, story: Story, settings: Settings, services: Services) -> StoredObject | None:
    """What a new result at this key would replace.

    Raises:
        AlreadyDone, Skipped, Rejected: there may be no new result.
    """
    story.result_key = key
    existing = services.storage.look(key)
    match metadata.compare(existing, story.job, settings):
        case Verdict.DONE:
            _acknowledge(key, existing, story, services)
            raise AlreadyDone("Its result is there already.")
        case Verdict.STALE:
            raise Skipped("A newer upload of it has a result already.")
        case Verdict.COLLISION:
            raise Rejected(
                f"The result would overwrite {key}, which was not made from this file. "
                "Give one of the two files another name."
            )
        case Verdict.FREE:
            return existing


def _acknowledge(key: str, existing: StoredObject | None, story: Story, services: Services) -> None:
    """Note on a result that a newer drop has the same content; an older one must not replace it."""
    if existing and existing.is_older_than(story.job):
        with services.reserved(key, story.job), _changing(key):
            if services.storage.look(key) != existing:
                raise Overtaken("Another drop was at it.")
            about = dict(existing.metadata) | metadata.event(story.job)
            services.storage.put_metadata(key, existing, about)


@contextmanager
def _changing(key: str) -> Iterator[None]:
    try:
        yield
    except (Gone, Overtaken) as error:
        raise Claimed(f"Somebody else changes {key} at this moment.") from error


def require_picture(cut_out: CutOut) -> None:
    """Make sure that an answer is the whole picture that it says it is.

    Raises:
        Unavailable: it isn't.
    """
    try:
        info = identify.describe(cut_out.file)
        if info.mime_type != cut_out.mime_type:
            raise Unavailable(f"Pixian sent {info.mime_type} and called it {cut_out.mime_type}.")
        identify.require_whole(cut_out.file, info)
    except Rejected as error:
        raise Unavailable("Pixian sent a damaged image.") from error


def finish(
    cut_out: CutOut, prepared: Prepared, story: Story, settings: Settings, files: ExitStack
) -> CutOut:
    """The cut-out as it is to be stored: a delta PNG rebuilt, unless it is to be kept."""
    if not settings.is_delta_png or settings.text("pipeline.delta_png") == "keep":
        return cut_out
    rebuilt = files.enter_context(TemporaryFile())
    delta_png.rebuild(cut_out.file, prepared.file, rebuilt)
    story.result_bytes = rebuilt.seek(0, os.SEEK_END)
    return cut_out.with_body(rebuilt, story.result_bytes)


def store(
    cut_out: CutOut,
    source: Source,
    story: Story,
    settings: Settings,
    services: Services,
) -> None:
    """Write the result, and before it what stands beside it: whoever finds it finds all."""
    key = result_key(cut_out.suffix, story, settings)
    result = Result(
        key,
        cut_out.file,
        cut_out.mime_type,
        _metadata(cut_out, source, story, settings),
        source.tags,
    )
    for _ in range(_MAX_RACES):
        try:
            replaced = look(key, story, settings, services)
        except AlreadyDone:
            # A twin was faster, or our own write got through although its answer was lost.
            return None
        if settings.flag("pipeline.sidecar"):
            beside = sidecar(story, services.now())
            services.storage.put_sidecar(keys.sidecar_key(key), beside)
        try:
            return services.storage.put_result(result, replaced)
        except Overtaken:
            continue
    raise Unavailable(f"Others keep writing to {key}.")


def _metadata(cut_out: CutOut, source: Source, story: Story, settings: Settings) -> dict[str, str]:
    ours = metadata.result_metadata(story.job, settings, cut_out.headers)
    own = source.metadata if settings.flag("pipeline.copy_metadata") else {}
    return metadata.with_own(ours, own)
