"""The bridge gives way to who is waited for, and slows nobody else down with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from smart_dairy_iot.bridge import priority

_AUTOGROUP = Path("/proc/self/autogroup")
# By its file: the addon's package imports Odoo.
_GIVE_WAY = f"import os, runpy; runpy.run_path({priority.__file__!r})['give_way'](); print(os.nice(0))"
_OF_THE_SESSION = f"print(open({str(_AUTOGROUP)!r}).read())"


def _say(program: str, **how) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, **how).stdout


def test_the_process_has_a_lower_say():
    assert int(_say(_GIVE_WAY)) == max(priority.NICENESS, os.nice(0))


def test_a_priority_that_is_lower_already_stays():
    assert int(_say(f"import os; os.nice(19 - os.nice(0)); {_GIVE_WAY}")) == 19


@pytest.mark.skipif(not _AUTOGROUP.exists(), reason="this system does not share its cores out to sessions")
class TestSession:
    def test_a_session_of_its_own_gives_way_as_a_whole(self):
        said = _say(f"{_GIVE_WAY}; {_OF_THE_SESSION}", start_new_session=True)

        assert said.split()[-2:] == ["nice", str(priority.NICENESS)]

    def test_a_session_with_others_in_it_stays_as_it_is(self):
        before = _AUTOGROUP.read_text()

        _say(_GIVE_WAY)

        assert _AUTOGROUP.read_text() == before
