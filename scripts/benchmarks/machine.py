"""The machine that was measured and the programs on it, without which no figure says anything."""

import os
import platform
import re
import shutil
from importlib.metadata import version
from pathlib import Path

from stack.shell import run

from .farm import BenchFarm

_GIB = 2**30


def describe(farm: BenchFarm) -> dict[str, str]:
    """{what: which}, in the order of a table."""
    ((postgres, timescaledb, edition, fsync),) = farm.rows(
        "SELECT current_setting('server_version'),"
        " (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),"
        " current_setting('timescaledb.license', true), current_setting('fsync')"
    )
    disk = shutil.disk_usage(farm.bed.directory)
    return {
        "Processor": f"{len(os.sched_getaffinity(0))} cores, {_processor()}",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.0f} GiB",
        "Disk": f"{disk.total / _GIB:.0f} GiB, {disk.free / _GIB:.0f} free",
        "System": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "PostgreSQL": f"{postgres.split()[0]}, fsync {fsync}",
        "TimescaleDB": f"{timescaledb}, {edition} edition" if timescaledb else "none",
        "Mosquitto": _mosquitto(farm.broker.prefix),
        "Python": f"{platform.python_version()}, paho-mqtt {version('paho-mqtt')}, orjson {version('orjson')}",
        "Odoo": farm.instance.odoo.series,
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _mosquitto(prefix: Path) -> str:
    # It has no option for its version: its help says it, and exits as if something were wrong.
    text = run("sh", "-c", '"$0" -h || true', prefix / "usr/sbin/mosquitto", what="Asking Mosquitto for its version")
    return re.search(r"mosquitto version (\S+)", text.stdout)[1]
