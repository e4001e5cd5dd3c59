"""A clock for the bridge's process alone that can be made to jump: libfaketime, of Debian's package faketime.

What counts seconds (`time.monotonic`, waits) goes on as ever, as it does where an administrator sets the clock.
"""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from stack.shell import StackError
from stack.system import install_packages

from .skip import CannotBreak

_LIBRARIES = "lib/*/faketime/libfaketime.so.1"


class FakeClock:
    """The clock that ``file`` tells."""

    #: Backward beyond what a device may be ahead, backward a little, forward, and beyond what is kept of telemetry.
    JUMPS = (-timedelta(hours=2), -timedelta(minutes=2), timedelta(hours=1), timedelta(days=1000))
    _clocks = {}

    def __init__(self, file: Path):
        self._file = file
        self.jump(timedelta())

    @classmethod
    def of(cls, scene) -> "FakeClock":
        """The one that `around` has given the scene's bridge."""
        return cls._clocks[scene]

    @classmethod
    @contextlib.contextmanager
    def around(cls, scene) -> Iterator[None]:
        """Have the scene's first bridge go by a clock of its own.

        :raises CannotBreak: where libfaketime is not to be had
        """
        library = _library()
        bridge = scene.bridge
        cls._clocks[scene] = cls(scene.bed.directory / f"{scene.database}_clock")
        bridge.stop()
        bridge.environ = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(cls._clocks[scene]._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        try:
            yield
        finally:
            bridge.environ = {}
            bridge.stop()
            del cls._clocks[scene]

    def jump(self, offset: timedelta) -> None:
        """Be so far ahead of the real time from now on."""
        other = self._file.with_suffix(".new")
        other.write_text(f"{offset.total_seconds():+.0f}")
        other.replace(self._file)  # never read in part


def _library() -> Path:
    if _installed() is None:
        try:
            install_packages(["faketime"])
        except StackError as error:
            raise CannotBreak(f"libfaketime is not to be had: {error}") from None
    library = _installed()
    if library is None:
        raise CannotBreak("the package faketime has no libfaketime where it is expected")
    return library


def _installed() -> Path | None:
    return next(Path("/usr").glob(_LIBRARIES), None)
