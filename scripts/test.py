#!/usr/bin/env python3
"""Run the tests: all of them, once per Odoo series that is there, or the few that a change touches.

python3 scripts/test.py                                            everything; writes build/test-report.json
python3 scripts/test.py --unit                                     what needs neither Odoo nor servers
python3 scripts/test.py --series 17.0 --addon smart_dairy_farm     one addon's tests on one series
python3 scripts/test.py --series 17.0 --integration -- -k bridge   tests/integration; after -- pytest's own options
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stack.environment import Environment, ensure_environment
from stack.odoo_instance import complaints
from stack.odoo_source import Odoo, find_series
from stack.paths import BUILD, LOCAL, ROOT, addon_dirs
from stack.report import Tally, read_junit, summary, write_report
from stack.shell import StackError, main_guard, say
from stack.system import ensure_programs
from stack.test_bed import STANDARD_DATABASE, TestBed, open_test_bed

TEMPLATE = "template_addons"
PYTEST_SECONDS = 3600
INTEGRATION = ROOT / "tests" / "integration"
UNIT = ROOT / "tests" / "unit"
# The plug-in pytest-odoo is for the addons' own tests: it loads an Odoo into the process.
WITHOUT_ODOO = ["-p", "no:odoo"]


def main() -> int:
    arguments = parse_arguments()
    ensure_programs(["openssl", "chromium", "wkhtmltopdf", "socat"])
    environment = ensure_environment()
    everything = not (arguments.unit or arguments.addon or arguments.integration)
    unit = Tally()
    if (everything and not arguments.tally) or arguments.unit:
        unit = run_unit_tests(environment, arguments.pytest)
    series: dict[str, Tally | str] = {}
    if not arguments.unit:
        series = find_series(arguments.series)
        found = {name: odoo for name, odoo in series.items() if not isinstance(odoo, str)}
        if len(found) > 1:
            series |= run_side_by_side(list(found), arguments)
        else:
            series |= {name: run_series(name, odoo, environment, arguments, everything) for name, odoo in found.items()}
    if arguments.tally:
        arguments.tally.write_text(json.dumps([series[name].as_dict() for name in arguments.series]))
    elif everything and not arguments.series:
        write_report(BUILD / "test-report.json", unit, series)
    lines = summary(unit, series)
    print("\n".join(lines), flush=True)
    return exit_code(unit, series)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", action="append", choices=["17.0", "19.0"], help="only this series (repeatable)")
    parser.add_argument(
        "--addon",
        action="append",
        choices=[path.name for path in addon_dirs()],
        help="only this addon's tests, with just what it depends on installed (repeatable)",
    )
    parser.add_argument("--integration", action="store_true", help="only tests/integration")
    parser.add_argument("--unit", action="store_true", help="only tests/unit")
    # How a run over several series calls itself for each of them.
    parser.add_argument("--tally", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("pytest", nargs="*", metavar="-- OPTION", help="options for pytest, such as -k NAME")
    return parser.parse_args()


def exit_code(unit: Tally, series: dict[str, Tally | str]) -> int:
    """1 when anything failed or nothing ran at all."""
    tallies = [unit, *(result for result in series.values() if isinstance(result, Tally))]
    return int(any(tally.failed for tally in tallies) or not any(tally.passed for tally in tallies))


def run_unit_tests(environment: Environment, options: list[str]) -> Tally:
    """The tests that need neither Odoo nor servers."""
    say("unit tests")
    return run_pytest(
        environment, "unit", [*WITHOUT_ODOO, UNIT], dict(os.environ), options, expected=[] if options else ["unit"]
    )


def run_side_by_side(names: list[str], arguments: argparse.Namespace) -> dict[str, Tally]:
    """The series at the same time, each in a process of its own: a run mostly waits for servers and browsers.

    What each prints is kept in build/, and printed when it is done.
    """
    say(f"Odoo {' and '.join(names)} side by side; what each prints is in {BUILD}/test-*.log, and here when it is done")
    BUILD.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        runs = {name: start_run(name, arguments, directory / name) for name in names}
        for process in runs.values():
            stack.callback(end, process)
        return {name: finished_run(name, process, directory / name) for name, process in runs.items()}


def start_run(name: str, arguments: argparse.Namespace, tally: Path) -> subprocess.Popen:
    """This very script for one series, printing into a file."""
    command = [sys.executable, __file__, "--series", name, "--tally", tally]
    command += [part for addon in arguments.addon or [] for part in ("--addon", addon)]
    command += ["--integration"] if arguments.integration else []
    command += ["--", *arguments.pytest] if arguments.pytest else []
    with log_of(name).open("wb") as log:
        return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def finished_run(name: str, process: subprocess.Popen, tally: Path) -> Tally:
    """Wait for the run of a series, print what it said, and return what it counted."""
    process.wait()
    print(log_of(name).read_text(errors="replace"), flush=True)
    if not tally.exists():
        return Tally().problem(f"Odoo {name}: the run ended with exit code {process.returncode} and counted nothing")
    (counted,) = json.loads(tally.read_text())
    return Tally(**counted)


def log_of(name: str) -> Path:
    return BUILD / f"test-{name}.log"


def run_series(
    name: str, odoo: Odoo, environment: Environment, arguments: argparse.Namespace, everything: bool
) -> Tally:
    """All that is asked for on one series. What goes wrong outside of a test is a failure like any other."""
    say(f"Odoo {name}: {odoo.origin}")
    started = time.monotonic()
    tally = Tally()
    try:
        addons = arguments.addon or [path.name for path in addon_dirs()]
        with open_test_bed(odoo, environment, addons, BUILD / name if everything else None) as bed:
            say(bed.postgres.description())
            try:
                tally = run_on(bed, addons, arguments, everything)
            finally:
                keep_logs(bed)
    except StackError as error:
        tally.problem(f"Odoo {name}: {error}")
    tally.seconds = time.monotonic() - started
    return tally


def run_on(bed: TestBed, addons: list[str], arguments: argparse.Namespace, everything: bool) -> Tally:
    """Install the addons and run their tests, the integration tests, or both."""
    tally = install(bed, addons)
    if everything or arguments.addon:
        tally += run_addon_tests(bed, addons, arguments.pytest)
    if everything or arguments.integration:
        tally += run_integration_tests(bed, arguments.pytest)
    return tally


def install(bed: TestBed, addons: list[str]) -> Tally:
    """Install the addons in the database that all tests copy; a warning in the log is a failure."""
    say(f"Odoo {bed.odoo.series}: installing {', '.join(addons)}")
    bed.copy_database(STANDARD_DATABASE, TEMPLATE)
    tally = Tally()
    for line in complaints(bed.instance(TEMPLATE).install(*addons)):
        tally.problem(f"installing on {bed.odoo.series} logged: {line}")
    return tally


def run_addon_tests(bed: TestBed, addons: list[str], options: list[str]) -> Tally:
    """The addons' own tests, by pytest-odoo, with a broker for those that provision devices."""
    say(f"Odoo {bed.odoo.series}: tests of {', '.join(addons)}")
    bed.copy_database(TEMPLATE, "test_addons")
    with bed.broker() as broker:
        instance = bed.instance("test_addons", broker, bridge_enabled="false")
        instance.write_conf()
        command = ["--odoo-http", "--odoo-log-level=warn", *(bed.addons_root / addon for addon in addons)]
        expected = [] if options else addons
        tally = run_pytest(bed.environment, f"{bed.odoo.series}-addons", command, instance.environ(), options, expected)
    bed.drop_database("test_addons")
    return tally


def run_integration_tests(bed: TestBed, options: list[str]) -> Tally:
    """The tests that need broker, bridge, database and browser together; their fixtures are in tests/conftest.py."""
    say(f"Odoo {bed.odoo.series}: integration tests")
    environ = os.environ | {"SMART_DAIRY_TEST_BED": str(bed.describe(TEMPLATE))}
    command = [*WITHOUT_ODOO, INTEGRATION]
    expected = [] if options else ["integration"]
    return run_pytest(bed.environment, f"{bed.odoo.series}-integration", command, environ, options, expected)


def run_pytest(
    environment: Environment,
    name: str,
    command: list[str | Path],
    environ: dict[str, str],
    options: list[str],
    expected: list[str],
) -> Tally:
    """Run pytest, its output passed on, and count what it did."""
    with tempfile.TemporaryDirectory() as directory:
        junit = Path(directory) / f"{name}.xml"
        full = [environment.python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={junit}", *command, *options]
        process = subprocess.Popen([str(part) for part in full], cwd=ROOT, env=environ, stdin=subprocess.DEVNULL)
        try:
            code = process.wait(PYTEST_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
        tally = read_junit(junit, expected)
    if code is None:
        tally.problem(f"{name}: not done within {PYTEST_SECONDS} s")
    elif code not in (0, 1) or (code == 1 and not tally.failed):
        tally.problem(f"{name}: pytest ended with exit code {code}")
    return tally


def end(process: subprocess.Popen) -> None:
    """See that the process has ended; pytest takes SIGINT as Ctrl-C and still tears its fixtures down."""
    for number, seconds in ((signal.SIGINT, 60), (signal.SIGKILL, 10)):
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue


def keep_logs(bed: TestBed) -> None:
    """Copy the servers' logs out of the test bed, which is about to vanish."""
    kept = LOCAL / "test" / "logs" / bed.directory.name
    for log in bed.directory.rglob("*.log"):
        target = kept / log.relative_to(bed.directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, target)


if __name__ == "__main__":
    main_guard(main)
