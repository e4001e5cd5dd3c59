"""Readings as files: what it costs the process that writes them."""

import subprocess
import sys

import pytest

from stack.paths import ROOT

# Kilobytes of addresses that the process takes more while it writes a file.
_WRITE = """
import sys, types
addon = types.ModuleType("smart_dairy_iot")
addon.__path__ = [sys.argv[1]]
sys.modules["smart_dairy_iot"] = addon
from smart_dairy_iot.telemetry import export

def addresses():
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmPeak")]
    return int(line.split()[1])

before = addresses()
size = sum(map(len, export.pieces(sys.argv[2], {"id": "bigint"}, [[(number,) for number in range(1000)]])))
assert size
print(addresses() - before)
"""


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_file_does_not_take_the_addresses_that_a_worker_may_have(file_format):
    command = [sys.executable, "-c", _WRITE, str(ROOT / "smart_dairy_iot"), file_format]
    written = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    # Odoo ends a worker at 2 GB, and has some of its own.
    assert int(written.stdout) < 600_000
