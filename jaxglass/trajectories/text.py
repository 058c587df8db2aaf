"""Lines of a text file, plain, gzip or xz, counted so that every complaint can name its place."""

import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from jaxglass.errors import InputDataError, ResourceError

LONGEST_LINE = 1_000_000  # characters; a line of a compressed file can expand to any size
UNPACKERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw)),
    ".xz": lambda raw: cast(IO[bytes], lzma.LZMAFile(raw)),  # noqa: SIM115 - closed with the file below it
}


class TextFile:
    """The lines of `path` one after another (use as a context manager); `number` is that of the last one read."""

    def __init__(self, path: Path):
        """Open `path`; `InputDataError` when there is no such file, `ResourceError` when it may not be read."""
        self.path, self.number = Path(path), 0
        if not self.path.is_file():
            raise InputDataError(f"{self.path}: no such file")
        try:
            self._raw = open(self.path, "rb")  # noqa: SIM115 - held until the end of the context
        except OSError as error:
            raise ResourceError(f"cannot read {self.path}: {error.strerror} (errno {error.errno})") from error
        self._size = max(1, self.path.stat().st_size)
        unpack = UNPACKERS.get(self.path.suffix.lower())
        stream = self._raw if unpack is None else unpack(self._raw)
        self._text = io.TextIOWrapper(cast(IO[bytes], stream), encoding="utf-8-sig")
        self._cut = False

    def __enter__(self) -> "TextFile":
        return self

    def __exit__(self, *_) -> None:
        self._text.close()
        self._raw.close()

    @property
    def share(self) -> float:
        """Share of the bytes of the file that have been read."""
        return min(1.0, self._raw.tell() / self._size)

    def next_line(self) -> str | None:
        """The next line without its end; None after the last, and for a last line without an end, which may be cut."""
        try:
            line = self._text.readline(LONGEST_LINE)
        except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise self.refuse(f"not readable beyond this line: {reason}") from error
        if len(line) == LONGEST_LINE:
            raise self.refuse(f"the next line has more than {LONGEST_LINE} characters: not a text file of atoms")
        if not line.endswith("\n"):
            self._cut = bool(line)
            return None
        self.number += 1
        return line[:-1]

    def lines(self, count: int) -> list[str]:
        """Up to `count` lines; fewer when the file ends before."""
        found: list[str] = []
        while len(found) < count and (line := self.next_line()) is not None:
            found.append(line)
        return found

    def next_content(self) -> str | None:
        """The next line that is not blank, or None at the end of the file; a last line that is cut is refused."""
        line = self.next_line()
        while line is not None and not line.strip():
            line = self.next_line()
        if line is None and self._cut:
            raise self.refuse(self.ending)
        return line

    @property
    def ending(self) -> str:
        """How the file ends, in words."""
        return "the file ends in the middle of the next line" if self._cut else "the file ends here"

    def refuse(self, what: str, line: int | None = None) -> InputDataError:
        """The error "file:line: what", for the line last read unless told."""
        return InputDataError(f"{self.path}:{self.number if line is None else line}: {what}")
