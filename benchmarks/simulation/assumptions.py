"""What the simulation assumes about AWS, each with the page that says so."""

_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/"
_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/"
_NOWHERE = "not documented"

ASSUMPTIONS = (
    (
        "S3 sends an event at once. It says: typically in seconds, sometimes in a minute or more.",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html",
    ),
    (
        "An event that is throttled goes back to Lambda's queue, and is tried again after 1 s and "
        "then after twice as long each time, up to 5 minutes. That uses up no attempt.",
        _LAMBDA + "invocation-async-error-handling.html",
    ),
    (
        "Each of these intervals varies at random by up to 50 %. Lambda says only that they become "
        "longer when the queue is long.",
        _NOWHERE,
    ),
    (
        "An event that is older than 60 s (MaximumEventAgeInSeconds) when it is tried next goes to "
        "RetryQueue, the OnFailure destination. The model loses none, although Lambda says that it "
        "may delete events when a function can't keep up.",
        _LAMBDA + "invocation-async-configuring.html",
    ),
    (
        "An execution environment runs one invocation at a time; reserved concurrency limits how "
        "many run in parallel.",
        _LAMBDA + "lambda-concurrency.html",
    ),
    (
        "The idle environment that was used last is used next. When a function's concurrency is "
        "lowered, surplus environments end: idle ones at once, busy ones when they finish.",
        _NOWHERE,
    ),
    (
        "The event source mapping runs one message per invocation, up to MaximumConcurrency at a "
        "time, and takes the next one at once. It starts with 5 and adds up to 300 a minute, more "
        "than the ramp ever needs.",
        _LAMBDA + "services-sqs-scaling.html",
    ),
    (
        "A new MaximumConcurrency and a new reserved concurrency take effect after up to 60 s, "
        "each at its own random time.",
        _NOWHERE,
    ),
    (
        "Messages are received in the order in which they became visible. A standard queue makes "
        "only a best effort to keep that order.",
        _SQS + "SQSDeveloperGuide/standard-queues.html",
    ),
    (
        "A message's delay is at most 900 s, and exact. SQS deletes a message 13 days after it was "
        "sent, and an image that is sent back is a new message.",
        _SQS + "SQSDeveloperGuide/quotas-messages.html",
    ),
    (
        "A queue holds any number of messages. As many messages are in flight as there are lanes, "
        "far fewer than the limit of 120,000.",
        _SQS + "SQSDeveloperGuide/quotas-queues.html",
    ),
    (
        "The backlog that PaceFunction reads is a minute old. SQS says that it may take at least a "
        "minute to become exact.",
        _SQS + "APIReference/API_GetQueueAttributes.html",
    ),
    (
        "EventBridge Scheduler runs PaceFunction every minute, up to 5 s late. It guarantees "
        "only the minute: see the row with PaceFunction at any second of its minute.",
        "https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html",
    ),
)
