"""Every benchmark runs and says what it is to say. Short runs measure nothing, so no figure is looked at."""

import json
import os
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
    "query": {"rows", "dashboard_ms", "latest_ms"},
    "growth": {"rows", "rate_empty", "rate", "ratio"},
    "storage": {"level", "bytes_per_reading", "compression"},
    "ui": {"rate", "reads", "idle_ms", "busy_ms", "ratio"},
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
}
PERCENTILES = {
    "commit_ms": {"p50", "p95", "p99"},
    "browser_ms": {"p50", "p95"},
    "dashboard_ms": {"p50", "p95"},
    "latest_ms": {"p50", "p95"},
    "idle_ms": {"p50", "p95"},
    "busy_ms": {"p50", "p95"},
}
LEVELS = ["plain", "apache", "community"]
SECONDS = 300


def run_short(name, series):
    """The results of a short run, a dict each."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "bench.py", "--series", series, name],
        env=os.environ | {"SMOKE": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("{"), "the last line is JSON"
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.parametrize("name", KEYS)
def test_a_short_run_ends_with_its_figures_as_json(bed, name):
    results = run_short(name, bed.odoo.series)
    assert len(results) == (len(LEVELS) if name == "storage" else 1)
    for result in results:
        assert result.keys() == {"bench", *KEYS[name]}
        assert result["bench"] == name
        for figure, value in result.items():
            if figure in PERCENTILES:
                assert value.keys() == PERCENTILES[figure]
                assert 0 < value["p50"] <= value["p95"]
    if name == "storage":
        assert [result["level"] for result in results] == LEVELS
        assert results[0]["bytes_per_reading"] > 0, "plain tables can be made on every server"
