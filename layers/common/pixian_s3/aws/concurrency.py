"""The two Lambda concurrency limits that PaceFunction sets."""

from typing import TYPE_CHECKING

from pixian_s3.pace import Lanes

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class Concurrency:
    """UploadFunction's reserved concurrency, and the event source mapping's maximum concurrency.

    Args:
        functions: The Lambda client.
        upload_function: The name of UploadFunction.
        retry_mapping: The UUID of the event source mapping from RetryQueue to RetryFunction.
    """

    def __init__(self, functions: "LambdaClient", upload_function: str, retry_mapping: str) -> None:
        self._lambda = functions
        self._upload_function = upload_function
        self._retry_mapping = retry_mapping

    def set(self, lanes: Lanes) -> str | None:
        """Set both limits.

        Returns:
            None, or Lambda's message if the account can't reserve that many concurrent executions;
            the event source mapping is updated in either case.

        Raises:
            ClientError, BotoCoreError: Lambda refused the change, is still applying the last one,
                or is unavailable.
        """
        # When lanes move from one function to the other, lower the limit of the giving function
        # first: even if this fails in between, the limits never allow too many lanes.
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
            # Lambda refuses to leave the account less unreserved concurrency than it must keep.
            return str(error)
        return None

    def _poll(self, retry: int) -> None:
        self._lambda.update_event_source_mapping(
            UUID=self._retry_mapping, ScalingConfig={"MaximumConcurrency": retry}
        )
