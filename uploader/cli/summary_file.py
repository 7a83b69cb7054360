"""`--summary-file`: its content, and when it is written. `system/whole_file` writes it in one step.

It has the fields of --json and the exit code of the last invocation. If the run could not start (state
`not started`) or ended with an error (`failed`), it has only the state, the reason and the exit code. During
a run and after a kill there is no file, so a file is never from an earlier run.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import orjson

from uploader.cli.logs import print_message
from uploader.cli.text.control_characters import harmless_json
from uploader.errors import SettingsError, UploaderError
from uploader.model.redaction import without_addresses
from uploader.settings.output import OutputSettings
from uploader.system.whole_file import WholeFile

_BUG, _STORAGE = 70, 78
_CANT_START = 2


class Ended(Protocol):
    """How a job or a plan ended."""

    @property
    def exit_code(self) -> int: ...

    def as_dict(self) -> dict[str, object]: ...


class SummaryFile:
    """Call `write` once, or let `recording_errors` do it."""

    def __init__(self, path: Path) -> None:
        self._file = WholeFile("--summary-file", path, _is_ours)

    def check(self, settings: OutputSettings) -> None:
        """SettingsError if it is another file of the job, even if neither exists yet."""
        place = self._file.path.absolute()
        if place in {path.absolute() for path in (settings.checkpoint_path, settings.results_path) if path}:
            raise SettingsError(f"--summary-file {self._file.path} is the checkpoint or the results file")

    @contextmanager
    def recording_errors(self) -> Iterator[None]:
        """Write an error that ends the run without a summary to the file, and raise it again."""
        try:
            yield
        except UploaderError as error:
            self._tell(str(error), error.exit_code)
            raise
        except Exception as error:
            self._tell(f"a bug in uploader ({type(error).__name__}: {error})", _BUG)
            raise

    def write(self, summary: Ended) -> int:
        """Write the summary. Return the run's exit code, or an error if a success could not be written."""
        is_written = self._write({**summary.as_dict(), "exit_code": summary.exit_code})
        return summary.exit_code if is_written else summary.exit_code or _STORAGE

    def _tell(self, reason: str, code: int) -> None:
        state = "not started" if code == _CANT_START else "failed"
        self._write({"state": state, "reason": without_addresses(reason), "exit_code": code})

    def _write(self, document: Mapping[str, object]) -> bool:
        try:
            self._file.write(harmless_json(document))
        except UploaderError as error:
            print_message(str(error))
            return False
        return True


def _is_ours(data: bytes) -> bool:
    try:
        document = orjson.loads(data) if data else {"state": "", "exit_code": 0}
    except orjson.JSONDecodeError:
        return False
    return isinstance(document, dict) and {"state", "exit_code"} <= document.keys()
