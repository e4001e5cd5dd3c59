"""Counting test results, and refusing those that only look like success."""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

from .paths import ROOT

# Odoo turns a browser that does not start into a skipped test.
BROWSER_SKIP = re.compile(r"chrom|browser|websocket-client|devtools", re.IGNORECASE)
NO_REASON = {"", "unconditional skip"}


@dataclass
class Tally:
    """The results of some tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    skip_reasons: list[str] = field(default_factory=list)  # "test: reason"
    problems: list[str] = field(default_factory=list)  # failures that no single test stands for; each counts as failed

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.seconds + other.seconds,
            self.skip_reasons + other.skip_reasons,
            self.problems + other.problems,
        )

    def problem(self, text: str) -> "Tally":
        """Record a failure that is no test's own."""
        self.problems.append(text)
        self.failed += 1
        return self

    def as_dict(self) -> dict:
        """The tally for the report."""
        counts = {
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 1),
        }
        return counts | {"skip_reasons": self.skip_reasons, "problems": self.problems}

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_junit(path: Path, expected: list[str]) -> Tally:
    """The tally of one pytest run, from the JUnit file it wrote.

    ``expected`` names what must have run: each name has to occur in the class name or file of at least one test.
    """
    if not path.exists():
        return Tally().problem(f"{path.name}: the test runner wrote no results: it did not get as far as a test")
    tally = Tally()
    seen = set()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        tally.seconds += float(case.get("time") or 0)
        seen |= {wanted for wanted in expected if wanted in name.replace("/", ".").split(".")}
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failed += 1
        elif skipped is None:
            tally.passed += 1
        else:
            _count_skip(tally, name, (skipped.get("message") or "").strip())
    for missing in sorted(set(expected) - seen):
        tally.problem(f"{missing}: no test of it ran")
    return tally


def _count_skip(tally: Tally, name: str, reason: str) -> None:
    if reason in NO_REASON:
        tally.problem(f"{name}: skipped without a reason")
    elif BROWSER_SKIP.search(reason):
        tally.problem(f"{name}: the browser did not start: {reason}")
    else:
        tally.skipped += 1
        tally.skip_reasons.append(f"{name}: {reason}")


def write_report(path: Path, unit: Tally, series: dict[str, Tally | str]) -> dict:
    """Write the report of a whole run; a series that was not run has its reason instead of a tally."""
    report = {
        "tree": tree_hash(),
        "unit": unit.as_dict(),
        "series": {name: "not run" if isinstance(result, str) else result.as_dict() for name, result in series.items()},
        "not_run": {name: result for name, result in series.items() if isinstance(result, str)},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    return report


def tree_hash() -> str:
    """What was tested: git's name for the tree of the last commit."""
    done = subprocess.run(["git", "rev-parse", "HEAD^{tree}"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def summary(unit: Tally, series: dict[str, Tally | str]) -> list[str]:
    """The last lines of a run: the reasons, one plain line of totals, one line by series."""
    tallies = [unit, *(result for result in series.values() if isinstance(result, Tally))]
    total = sum(tallies, Tally())
    lines = [f"skipped: {reason}" for reason in total.skip_reasons]
    lines += [f"problem: {problem}" for problem in total.problems]
    lines += [f"{name} not run: {result}" for name, result in series.items() if isinstance(result, str)]
    by_series = [f"{name}: {'not run' if isinstance(result, str) else result}" for name, result in series.items()]
    return [*lines, str(total), "; ".join([f"unit: {unit}", *by_series])]
