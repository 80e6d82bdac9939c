"""Keep results from becoming sources, where the input bucket is also the output bucket."""

from collections.abc import Iterator

from pixian_s3.config.document import Configuration, Settings
from pixian_s3.errors import CONTINUES, Blocked, Fault, Skipped
from pixian_s3.job import Job
from pixian_s3.output.keys import result_key

_DOCUMENTS = ".json"
"""How the keys of sidecars and error reports end."""


def require_no_loop(job: Job, settings: Settings, output_bucket: str, input_prefix: str) -> None:
    """Check that a job is about a source, and that its result won't be taken for one.

    Args:
        job: The job.
        settings: Its settings.
        output_bucket: The name of the output bucket.
        input_prefix: The beginning of the keys that are processed; empty if all are.

    Raises:
        Skipped: It is about a sidecar or an error report.
        Blocked: The result would be processed as another image.
        Rejected: As `result_key`.
    """
    if job.bucket != output_bucket:
        return
    # Reports are in the input prefix, next to their sources.
    if job.key.endswith(_DOCUMENTS):
        raise Skipped("The file is a sidecar or an error report, not an image.")
    key = result_key(job.key, settings.result_suffix, settings)
    if key.startswith(input_prefix):
        raise Blocked(
            f"The result {key} would be processed as another image, because it begins with the "
            f'input prefix ("{input_prefix}"). Change pipeline.result_key, for example to '
            f'"cutouts/{{path}}{{stem}}{{suffix}}". {CONTINUES}',
            for_all=False,
        )


def loops(configuration: Configuration, input_prefix: str) -> Iterator[Fault]:
    """The prefixes whose results would be processed as other images, if there is one bucket.

    It tries one key for each prefix, so `require_no_loop` still checks each image.

    Args:
        configuration: The configuration.
        input_prefix: As in `require_no_loop`.
    """
    within = [each for each in configuration.prefixes if each.startswith(input_prefix)]
    for prefix in (input_prefix, *(each for each in within if each != input_prefix)):
        settings = configuration.settings_for(prefix + "image.jpg")
        if not settings.flag("pipeline.enabled"):
            continue
        key = result_key(prefix + "image.jpg", settings.result_suffix, settings)
        if key.startswith(input_prefix):
            name = f'prefixes["{settings.prefix}"]' if settings.prefix else "defaults"
            yield Fault(
                f"{name}.pipeline.result_key",
                f"the result of {prefix}image.jpg, {key}, would be processed as another image, "
                f'because it begins with the input prefix ("{input_prefix}"); let it begin '
                'otherwise, for example "cutouts/{path}{stem}{suffix}"',
            )
