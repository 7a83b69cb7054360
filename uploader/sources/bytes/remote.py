"""Reads sources over the network, from any file system that fsspec has.

Identity  Size and sampled content, as for a file, but with few samples: each is a request. If the server has
          no range requests, the beginning only (and what was read so far: `stream_fingerprint`).
Secrets   The URL may hold some, so it appears in no name or text. Neither do a library's errors, which quote
          it.
Needs     The extra `remote`, and for a store its own package (s3fs, gcsfs, adlfs), which fsspec names.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import Any, BinaryIO, Self, cast

from uploader.errors import SourceError
from uploader.sources.bytes.byte_source import EDGE_BYTES, Raw, fingerprint
from uploader.sources.names import shown
from uploader.system.installation import install, install_extra

#: The bytes that one request fetches.
_REQUEST_BYTES = 4 * 1024 * 1024
_PROBES = 2


class RemoteOrigin:
    """A remote file. It is opened for each reading."""

    sample_bytes = 256 * 1024
    is_local = False

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self._files, self._path = self._find(url)
        self.size_bytes: int | None = None
        self.seekable = False
        try:
            size = self._files.info(self._path).get("size")
            with self._open() as handle:
                if isinstance(size, int) and handle.seekable():
                    self.size_bytes, self.seekable = size, True
                    self.magic = handle.read(16)
                    self.fingerprint = fingerprint(handle, size, _PROBES)
                else:
                    head = _read_full(handle, EDGE_BYTES)
                    self.magic, self.fingerprint = head[:16], hashlib.sha256(head).hexdigest()
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001  # of any store's package
            raise SourceError(f"{self.name}: {_reason(error)}") from None

    def peek(self) -> Raw:
        return self.open()

    def open(self) -> Raw:
        return Raw(self.name, self.handle_of_any(), size=self.size_bytes)

    def handle(self) -> BinaryIO:
        if not self.seekable:
            raise SourceError(
                f"{self.name}: this format needs a server that supports range requests; download the file, "
                "and give that"
            )
        return self.handle_of_any()

    def handle_of_any(self) -> BinaryIO:
        try:
            return cast("BinaryIO", _Guarded(self._open(), self.name))
        except Exception as error:  # noqa: BLE001  # of any store's package
            raise SourceError(f"{self.name}: {_reason(error)}") from None

    def _open(self) -> Any:  # noqa: ANN401  # a file system's own
        return self._files.open(self._path, "rb", block_size=_REQUEST_BYTES, cache_type="readahead")

    def _find(self, url: str) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs  # noqa: PLC0415  # only sources that need it pay for it
        except ImportError:
            raise SourceError(
                f"{self.name}: reading from the network needs the extra `remote`: {install_extra('remote')}"
            ) from None
        try:
            files, path = url_to_fs(url)
        except ImportError as error:
            missing = getattr(error.__cause__, "name", None)  # fsspec's own error is a sentence
            advice = f": {install(missing)}" if missing else f" ({error})"
            raise SourceError(f"{self.name}: a package for this kind of URL is missing{advice}") from None
        except Exception as error:  # noqa: BLE001  # of any store's package
            raise SourceError(f"{self.name}: {_reason(error)}") from None
        return files, path


class _Guarded:
    """A remote file handle whose errors are `OSError` without the URL."""

    def __init__(self, inner: Any, name: str) -> None:  # noqa: ANN401
        self._inner = inner
        self._name = name

    def read(self, size: int = -1) -> bytes:
        try:
            return bytes(self._inner.read(size))
        except Exception as error:  # noqa: BLE001  # of any store's package
            raise OSError(_reason(error)) from None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return int(self._inner.seek(offset, whence))
        except Exception as error:  # noqa: BLE001  # of any store's package
            raise OSError(_reason(error)) from None

    def tell(self) -> int:
        return int(self._inner.tell())

    def seekable(self) -> bool:
        return bool(self._inner.seekable())

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    @property
    def closed(self) -> bool:
        return bool(self._inner.closed)

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read_full(handle: Any, size: int) -> bytes:  # noqa: ANN401
    parts: Iterable[bytes] = iter(lambda: handle.read(size), b"")
    head = b""
    for part in parts:
        head += part
        if len(head) >= size:
            break
    return head[:size]


def _reason(error: BaseException) -> str:
    """The reason of an error by type and status: its own text quotes the URL."""
    # A file system may raise FileNotFoundError for any reply; the reply is its cause.
    status = getattr(error.__cause__ or error, "status", None)
    if status in {401, 403} or isinstance(error, PermissionError):
        return "access denied: the URL needs other credentials, or its signature has expired"
    if status == 404 or (status is None and isinstance(error, FileNotFoundError)):
        return "does not exist; check the URL"
    if isinstance(status, int):
        return f"the server answers {status}; try again later, or check the URL"
    return f"cannot be read over the network ({type(error).__name__}); try again later, or check the URL"
