"""The decision to end a run before its end. What to tell the user about it is `summary`'s."""

from uploader.pipeline.outcome import Cause


class StopRun(Exception):  # noqa: N818  # a decision on its way up, not an error
    """No batch can or should pass now; what is open stays open."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason
