"""Every benchmark runs, and says what it is to say. Short runs on a busy machine say nothing of how fast anything is:
what is looked at is that each has measured something, and that no message is missing."""

import json
import os
import signal
import subprocess
import sys

import pytest

from stack.paths import ROOT

KEYS = {
    "ingest": {
        "published",
        "stored",
        "duplicates",
        "dead_letters",
        "rate",
        "paho_rate",
        "copy_rate",
        "orm_rate",
        "ratio_paho",
        "ratio_orm",
        "rss_mb",
    },
    "latency": {"rate", "commit_ms", "browser_ms"},
    "connections": {"connections", "rate", "kb_per_connection"},
    "growth": {"rows", "rate_empty", "rate", "ratio"},
    "query": {"rows", "dashboard_ms", "latest_ms", "screens_ms"},
    "storage": {"level", "bytes_per_reading", "compression"},
    "ui": {"rate", "reads", "idle_ms", "busy_ms", "ratio"},
    "modbus": {"meters", "session_ms"},
    "soak": {
        "seconds",
        "published",
        "stored",
        "duplicates",
        "dead_letters",
        "rate",
        "lag_seconds",
        "rss_mb",
        "growth",
    },
    "provision": {"devices", "seconds", "cost_ratio"},
}
PERCENTILES = {
    "commit_ms": {"p50", "p95", "p99"},
    "browser_ms": {"p50", "p95"},
    "dashboard_ms": {"p50", "p95"},
    "latest_ms": {"p50", "p95"},
    "idle_ms": {"p50", "p95"},
    "busy_ms": {"p50", "p95"},
    "session_ms": {"p50", "p95"},
}
LEVELS = ["plain", "apache", "community"]
#: For all of them, which take two minutes: where it is more, something is wrong.
SECONDS = 1800
END_SECONDS = 120


@pytest.fixture(scope="module")
def run(bed):
    """One run of them all, which share a farm when they are short."""
    command = [sys.executable, ROOT / "scripts" / "bench.py", "--series", bed.odoo.series]
    environ = os.environ | {"SMOKE": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            stdout, stderr = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # so that it ends its servers
            try:
                stdout, stderr = process.communicate(timeout=END_SECONDS)
            finally:
                process.kill()
            pytest.fail(f"The benchmarks take longer than {SECONDS} s. What they have said:\n{stdout}{stderr}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def results(run):
    """The results of each benchmark, by its name."""
    found = {}
    # Everything is said again in the summary.
    for line in run.stdout.partition("| Benchmark |")[0].splitlines():
        if line.startswith("{"):
            result = json.loads(line)
            found.setdefault(result["bench"], []).append(result)
    return found


def test_no_benchmark_fails(run):
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", KEYS)
def test_a_short_run_prints_its_figures_as_json(run, results, name):
    assert name in results, run.stdout + run.stderr
    assert len(results[name]) == (len(LEVELS) if name == "storage" else 1)
    for result in results[name]:
        assert result.keys() == {"bench", *KEYS[name]}
        for figure, value in result.items():
            if figure in PERCENTILES:
                assert value.keys() == PERCENTILES[figure]
                assert 0 < value["p50"] <= value["p95"]


@pytest.mark.parametrize("name", ["ingest", "soak"])
def test_of_what_a_benchmark_publishes_every_message_is_stored_once(results, name):
    (result,) = results[name]
    assert result["published"] == result["stored"] > 0
    assert result["duplicates"] == result["dead_letters"] == 0


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("ingest", ["rate", "paho_rate", "copy_rate", "orm_rate", "ratio_paho", "ratio_orm", "rss_mb"]),
        ("latency", ["rate"]),
        ("connections", ["connections", "rate"]),
        ("growth", ["rows", "rate_empty", "rate", "ratio"]),
        ("query", ["rows"]),
        ("ui", ["rate", "reads", "ratio"]),
        ("modbus", ["meters"]),
        ("soak", ["seconds", "rate"]),
        ("provision", ["devices", "seconds", "cost_ratio"]),
    ],
)
def test_a_short_run_measures_something(results, name, figures):
    (result,) = results[name]
    for figure in figures:
        assert result[figure] > 0, figure


def test_bytes_are_counted_on_each_level_of_the_store(results):
    assert [result["level"] for result in results["storage"]] == LEVELS
    plain, apache, community = results["storage"]
    assert all(result["bytes_per_reading"] > 0 for result in results["storage"])
    assert plain["compression"] is apache["compression"] is None
    assert community["compression"] > 0


def test_the_summary_names_the_machine_and_every_figure(run, results):
    summary = run.stdout.partition("| Processor |")[2]
    for what in ("Memory", "Disk", "PostgreSQL", "TimescaleDB", "Mosquitto", "Python", "Odoo"):
        assert f"| {what} |" in summary
    for several in results.values():
        for result in several:
            assert json.dumps(result) in summary
