"""Figures of several databases stand under one family each, or Prometheus takes none of them."""

import re
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily

from smart_dairy_iot.bridge.messages import Counters
from smart_dairy_iot.bridge.metrics import _FAMILIES, BridgeMetrics, Figures, quality_figures
from stack.paths import ROOT

MAILBOXES = {
    "inbox": {"new": 3, "retrying": 2, "failed": 1, "lag_seconds": 7.5},
    "outbox": {"queued": 4, "failed": 0, "lag_seconds": 0.5},
}
QUALITY = {
    "hour": 1772344800.0,
    "messages": {"expected": 60.0, "missing": 2.0, "out_of_range": 0.0},
    "devices": {"gaps": 1, "stuck": 0},
}


@pytest.fixture
def text():
    pipeline = SimpleNamespace(counters=Counters(received=5, stored=4, duplicates=1), waiting=6, outage="away")
    client = SimpleNamespace(receiving=threading.Event())
    client.receiving.set()
    sources = [
        BridgeMetrics(name, pipeline, client, lambda: {"received": 2, "stored": 2}, lambda: MAILBOXES)
        for name in ("one", "two")
    ]
    sources.append(Figures("one", lambda: [("smart_dairy_leads", ["IoT bridge"], 1)]))
    sources.append(Figures("one", lambda: quality_figures(QUALITY)))
    yield generate_latest().decode()
    for source in sources:
        source.close()


def test_two_databases_share_the_families(text):
    announced = Counter(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert {name for name in announced if name.startswith("smart_dairy")}
    assert set(announced.values()) == {1}
    for name in ("one", "two"):
        assert f'smart_dairy_messages_total{{database="{name}",outcome="stored"}} 4.0' in text


def test_the_outcomes_add_up_to_what_was_received(text):
    samples = re.findall(r'^smart_dairy_messages_total\{database="one",outcome="(\w+)"\} (\S+)', text, re.MULTILINE)
    expected = {"stored": 4, "duplicates": 1, "dead_letters": 0, "dropped": 0}
    assert {outcome: float(count) for outcome, count in samples} == expected
    assert 'smart_dairy_http_messages_total{database="one",outcome="stored"} 2.0' in text


def test_it_is_told_whether_the_broker_and_the_database_are_there(text):
    assert 'smart_dairy_connected{database="one",to="broker"} 1.0' in text
    assert 'smart_dairy_connected{database="one",to="database"} 0.0' in text


def test_each_family_is_told_and_what_to_do_about_it_is_written_down(text):
    told = set(re.findall(r"^(smart_dairy_\w+?)(?:_total)?[ {]", text, re.MULTILINE))
    assert told == _FAMILIES.keys()
    page = (ROOT / "docs" / "monitoring.md").read_text()
    for name, (kind, _documentation, _labels) in _FAMILIES.items():
        assert f"`{name}_total" in page if kind is CounterMetricFamily else f"`{name}" in page


def test_the_mailboxes_lag_is_told(text):
    assert 'smart_dairy_inbox_lag_seconds{database="one"} 7.5' in text
    assert 'smart_dairy_inbox_messages{database="one",state="retrying"} 2.0' in text
    assert 'smart_dairy_outbox_entries{database="one",state="queued"} 4.0' in text


def test_the_quality_of_the_last_hour_is_told(text):
    assert 'smart_dairy_quality_messages{database="one",kind="missing"} 2.0' in text
    assert 'smart_dairy_quality_devices{database="one",problem="gaps"} 1.0' in text
    assert 'smart_dairy_quality_hour_timestamp_seconds{database="one"} 1.7723448e+09' in text
    assert not list(quality_figures({**QUALITY, "hour": None}))


def test_who_leads_is_told(text):
    assert 'smart_dairy_leads{database="one",role="IoT bridge"} 1.0' in text


def test_what_is_closed_is_told_no_more(text):
    assert 'database="one"' in text
    assert 'database="two"' in text
    source = Figures("three", lambda: [("smart_dairy_leads", ["IoT bridge"], 0)])
    assert 'database="three"' in generate_latest().decode()
    source.close()
    assert 'database="three"' not in generate_latest().decode()
