"""Who may report a connection: nobody but the holder of the secret, about now, in just the agreed form."""

import json
from datetime import datetime

import pytest

from smart_dairy_iot.provisioning.emqx_events import FRESH_SECONDS, EventError, read_event, sign

SECRET = "the broker's"
NOW = 1_772_346_600.0  # 2026-03-01 06:30:00 UTC
FIELDS = {
    "event": "client.connected",
    "clientid": "sd_T-1",
    "username": "TE_T-1",
    "timestamp": int(NOW * 1000) + 250,
    "peername": "10.1.2.3:40000",
    "reason": "",
}


def body(secret=SECRET, signature=None, **changes):
    fields = {**FIELDS, **changes}
    return json.dumps({**fields, "signature": signature or sign(fields, secret)}).encode()


def test_a_signed_report_is_read():
    event = read_event(body(), SECRET, NOW)
    assert (event.kind, event.username, event.client_id) == ("client.connected", "TE_T-1", "sd_T-1")
    assert event.at == datetime(2026, 3, 1, 6, 30, 0, 250_000)
    assert event.ip_address == "10.1.2.3"


def test_the_signature_is_what_the_contract_with_the_broker_s_rule_says():
    fields = dict.fromkeys(("event", "clientid", "username", "timestamp", "peername", "reason"), "x")
    # printf 's:x:x:x:x:x:x:s' | sha256sum
    assert sign(fields, "s") == "349dc1d87428bd409e81a6715cbbde53ca7151802e1192978f53eabd19d2e6cd"


@pytest.mark.parametrize(("peername", "address"), [("[2001:db8::7]:40000", "2001:db8::7"), ("::1:40000", "::1")])
def test_an_address_of_ip_version_6_is_read(peername, address):
    assert read_event(body(peername=peername), SECRET, NOW).ip_address == address


@pytest.mark.parametrize("name", ["event", "clientid", "username", "timestamp", "peername", "reason"])
def test_no_field_can_be_changed_without_the_secret(name):
    changed = {
        "event": "client.disconnected",
        "timestamp": FIELDS["timestamp"] + 1,
    }.get(name, "other")
    with pytest.raises(EventError):
        read_event(body(signature=sign(FIELDS, SECRET), **{name: changed}), SECRET, NOW)


def test_another_secret_or_none_at_all_is_refused():
    with pytest.raises(EventError):
        read_event(body(secret="guessed"), SECRET, NOW)
    with pytest.raises(EventError):
        read_event(body(secret=""), "", NOW)


@pytest.mark.parametrize("seconds", [FRESH_SECONDS + 1, -FRESH_SECONDS - 1])
def test_a_report_of_another_time_is_refused_though_it_is_well_signed(seconds):
    with pytest.raises(EventError):
        read_event(body(timestamp=int((NOW + seconds) * 1000)), SECRET, NOW)


@pytest.mark.parametrize("seconds", [FRESH_SECONDS - 1, -FRESH_SECONDS + 1])
def test_clocks_may_be_some_minutes_apart(seconds):
    assert read_event(body(timestamp=int((NOW + seconds) * 1000)), SECRET, NOW)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"1",
        b"{}",
        body(event="client.subscribe"),
        body(timestamp="now"),
        body(timestamp=True),
        body(timestamp=1.5),
        body(timestamp=10**30),
        body(username=None),
        body(username=["TE_T-1"]),
        body(signature="ä"),
        body(more="fields"),
        body(username="TE_T-1\0"),
        json.dumps({**FIELDS, "username": "\ud800", "signature": "0"}).encode(),
        b"[" * 4000,
    ],
)
def test_whatever_else_comes_is_refused_and_nothing_else_happens(text):
    with pytest.raises(EventError):
        read_event(text, SECRET, NOW)


@pytest.mark.parametrize(
    ("reason", "is_succession"), [("takenover", True), ("discarded", True), ("kicked", False), ("tcp_closed", False)]
)
def test_a_client_that_took_over_its_own_connection_is_not_away(reason, is_succession):
    event = read_event(body(event="client.disconnected", reason=reason), SECRET, NOW)
    assert event.is_succession is is_succession
