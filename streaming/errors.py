"""Errors, branched by what the caller does next.

PipelineError
  RecordError        only this record is bad   -> dead letter with a reason code, go on
  RetryableError     the outside is away       -> commit nothing, try again
  FatalError         going on would be wrong   -> log once, stop, exit status 1
    ConfigError        a setting is wrong or missing
    CoPartitionError   topics that belong together differ in their partitions
    OutputLostError    the broker did not acknowledge what follows from an input
"""


class PipelineError(Exception):
    """Root of every error that the pipeline raises itself."""


class RecordError(PipelineError):
    """Only this record is bad. `reason_code` is for counting; the message is for people, without payload."""

    def __init__(self, reason_code: str, reason: str) -> None:
        super().__init__(reason)
        self.reason_code = reason_code
        self.reason = reason


class RetryableError(PipelineError):
    """Something outside is away; nothing was committed and the same work may be tried again."""


class FatalError(PipelineError):
    """Going on would be wrong: stop with exit status 1."""


class ConfigError(FatalError):
    """A setting is wrong or missing; the message names it, the value wanted and the remedy."""


class CoPartitionError(FatalError):
    """Topics that are read together do not exist or differ in their numbers of partitions."""


class OutputLostError(FatalError):
    """The broker refused or lost an output; committing its input would lose it for good."""
