"""Events on EventBridge's default bus."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pixian_s3.errors import Unavailable

SOURCE = "pixian-s3"
BATCH_FINISHED = "BatchFinished"


class Events:
    """The default event bus.

    Args:
        new_client: Creates the EventBridge client when it is first needed.
    """

    def __init__(self, new_client: Callable[[], Any]) -> None:
        self._new_client = new_client

    def batch_finished(self, detail: Mapping[str, object]) -> None:
        """Put one event about a finished batch.

        Raises:
            Unavailable: EventBridge didn't take it.
            ClientError, BotoCoreError: It refused the call or is unavailable.
        """
        entry = {
            "Source": SOURCE,
            "DetailType": BATCH_FINISHED,
            "Detail": json.dumps(detail),
        }
        answer = self._new_client().put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            [failed] = answer["Entries"]
            raise Unavailable(
                f"EventBridge didn't take {BATCH_FINISHED}: {failed.get('ErrorMessage')}"
            )
