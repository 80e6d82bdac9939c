"""Lambda's two limits on parallel invocations, as far as PaceFunction sets them."""

from typing import TYPE_CHECKING

from pixian_s3.pace import Lanes

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class Concurrency:
    """UploadFunction's reserved concurrency and the maximum concurrency of RetryQueue's mapping.

    Args:
        functions: a client of Lambda.
        upload_function: its name.
        retry_mapping: the UUID of the event source mapping from RetryQueue to RetryFunction.
    """

    def __init__(self, functions: "LambdaClient", upload_function: str, retry_mapping: str) -> None:
        self._lambda = functions
        self._upload_function = upload_function
        self._retry_mapping = retry_mapping

    def set(self, lanes: Lanes) -> str | None:
        """Set both limits.

        Returns:
            What Lambda said if the account can't reserve so much; the mapping is set all the same.

        Raises:
            ClientError, BotoCoreError: Lambda refuses, is still busy with the last change, or can't
                be reached.
        """
        # A split moves lanes from one function to the other. The one that has fewer now gives them
        # up first, so that the limits never allow too many, also if this ends in between.
        if lanes.upload < lanes.retry:
            refusal = self._reserve(lanes.upload)
            self._poll(lanes.retry)
        else:
            self._poll(lanes.retry)
            refusal = self._reserve(lanes.upload)
        return refusal

    def _reserve(self, upload: int) -> str | None:
        try:
            self._lambda.put_function_concurrency(
                FunctionName=self._upload_function, ReservedConcurrentExecutions=upload
            )
        except self._lambda.exceptions.InvalidParameterValueException as error:
            # Lambda's answer if fewer unreserved ones would be left than an account must keep.
            return str(error)
        return None

    def _poll(self, retry: int) -> None:
        self._lambda.update_event_source_mapping(
            UUID=self._retry_mapping, ScalingConfig={"MaximumConcurrency": retry}
        )
