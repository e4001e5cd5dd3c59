"""The decoder lets in what a registered device may say about itself, and refuses the rest with a reason."""

import json
from datetime import datetime

import pytest

from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.bridge.decoder import Decoder
from smart_dairy_iot.bridge.devices import Device, DeviceCache
from smart_dairy_iot.bridge.messages import Accepted, Message
from smart_dairy_iot.bridge.timestamps import parse_timestamp
from smart_dairy_iot.bridge.topics import TopicPattern, TopicTable
from smart_dairy_iot.bridge.validation import PayloadValidator
from smart_dairy_iot.telemetry.retention import retention_by_type

NOW = datetime(2026, 3, 1, 6, 30)
TWO_YEARS = retention_by_type((), Config())
SCHEMA = {
    "type": "object",
    "required": ["device_id", "timestamp", "temperature"],
    "properties": {
        "timestamp": {"type": "string", "format": "date-time"},
        "temperature": {"type": "number", "maximum": 100},
    },
}


class RowsCursor:
    """Answers the registry's query with fixed rows, filtered as the query asks."""

    def __init__(self, rows):
        self._all, self._rows = rows, []

    def execute(self, _query, parameters=None):
        self._rows = [row for row in self._all if not parameters or row[1] in parameters[0]]

    def fetchall(self):
        return self._rows


def devices(*rows):
    cache = DeviceCache()
    cache.reload(RowsCursor(rows))
    return cache


@pytest.fixture
def decoder():
    return Decoder(
        TopicTable([TopicPattern("dairy/{farm_id}/temperature/{device_id}/data", "temperature", "data")]),
        PayloadValidator({("temperature", "data"): json.dumps(SCHEMA)}),
        devices(
            (1, "TS001", "temperature", "active", 7, "FARM001"),
            (2, "TS002", "temperature", "decommissioned", 7, "FARM001"),
            (3, "TS003", "temperature", "maintenance", 7, "FARM001"),
            (4, "AC001", "collar", "active", 7, "FARM001"),
        ),
        TWO_YEARS,
    )


def message(topic="dairy/FARM001/temperature/TS001/data", raw=None, **payload):
    payload = {"device_id": "TS001", "timestamp": "2026-03-01T06:29:59Z", "temperature": 4.2} | payload
    return Message(topic, json.dumps(payload).encode() if raw is None else raw, NOW)


def reason(decoder, received):
    return decoder.decode(received).reason


def test_a_valid_reading_of_an_active_device_is_accepted_with_its_device_and_utc_time(decoder):
    result = decoder.decode(message(timestamp="2026-03-01T07:29:59.5+01:00"))
    assert isinstance(result, Accepted)
    assert result.key == (1, datetime(2026, 3, 1, 6, 29, 59, 500000), 0)
    assert not result.device.in_maintenance


def test_readings_of_one_instant_are_told_apart_by_their_channel(decoder):
    assert decoder.decode(message(channel=3)).key[2] == 3


def test_a_device_in_maintenance_is_accepted_and_marked(decoder):
    result = decoder.decode(message("dairy/FARM001/temperature/TS003/data", device_id="TS003"))
    assert result.device.in_maintenance


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"device_id": NaN}', b"[" * 2000])
def test_what_is_no_json_is_refused(decoder, raw):
    assert reason(decoder, message(raw=raw)) == "invalid_json"


@pytest.mark.parametrize("payload", [{"temperature": 400}, {"temperature": "warm"}, {"timestamp": "yesterday"}])
def test_what_the_schema_forbids_is_refused_naming_the_field(decoder, payload):
    result = decoder.decode(message(**payload))
    assert result.reason == "schema"
    assert next(iter(payload)) in result.detail


@pytest.mark.parametrize("raw", [b"3", b"null", b"[]", b'"TS001"'])
def test_json_that_is_no_object_is_refused(decoder, raw):
    assert reason(decoder, message(raw=raw)) == "schema"


def test_a_message_type_without_an_active_schema_accepts_nothing(decoder):
    decoder.validator = PayloadValidator({})
    assert reason(decoder, message()) == "schema"


def test_an_unregistered_device_is_refused(decoder):
    assert reason(decoder, message("dairy/FARM001/temperature/TS999/data")) == "unknown_device"


def test_a_device_in_the_place_of_another_type_is_refused(decoder):
    assert reason(decoder, message("dairy/FARM001/temperature/AC001/data", device_id="AC001")) == "unknown_device"


def test_the_wrong_farm_in_the_topic_is_refused(decoder):
    assert reason(decoder, message("dairy/FARM002/temperature/TS001/data")) == "wrong_farm"


def test_a_decommissioned_device_is_refused(decoder):
    assert reason(decoder, message("dairy/FARM001/temperature/TS002/data", device_id="TS002")) == "not_allowed"


def test_the_payload_of_another_device_is_refused(decoder):
    assert reason(decoder, message(device_id="TS003")) == "device_mismatch"


@pytest.mark.parametrize("timestamp", ["2026-03-01T06:35:01Z", "2024-02-28T06:30:00Z"])
def test_a_time_out_of_range_is_refused(decoder, timestamp):
    assert reason(decoder, message(timestamp=timestamp)) == "clock"


def test_what_is_wrong_with_a_clock_is_said_to_the_second(decoder):
    refused = decoder.decode(message(timestamp="2026-03-01T06:40:00.250Z"))
    assert refused.detail == "2026-03-01 06:40:00 UTC is more than five minutes ahead of 2026-03-01 06:30:00 UTC"


def test_a_clock_five_minutes_ahead_is_let_in(decoder):
    assert isinstance(decoder.decode(message(timestamp="2026-03-01T06:35:00Z")), Accepted)


def test_only_devices_that_would_be_refused_are_asked_of_the_database_again(decoder):
    received = [
        message(),
        message("dairy/FARM001/temperature/TS002/data"),
        message("dairy/FARM001/temperature/TS999/data"),
        message("nowhere"),
    ]
    assert decoder.doubtful(received) == {"TS002", "TS999"}


def test_a_device_that_is_gone_is_forgotten_when_read_again():
    cache = devices((1, "TS001", "temperature", "active", 7, "FARM001"))
    cache.refresh(RowsCursor([]), {"TS001"})
    assert cache.get("TS001") is None


def test_a_device_is_known_by_all_its_fields():
    row = (1, "TS001", "temperature", "active", 7, "FARM001")
    assert devices(row).get("TS001") == Device(*row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T06:30:00Z", datetime(2026, 3, 1, 6, 30)),
        ("2026-03-01T06:30:00.123Z", datetime(2026, 3, 1, 6, 30, 0, 123000)),
        ("2026-03-01T06:30:00.1Z", datetime(2026, 3, 1, 6, 30, 0, 100000)),
        ("2026-03-01T06:30:00.123456789Z", datetime(2026, 3, 1, 6, 30, 0, 123456)),
        ("2026-03-01t06:30:00z", datetime(2026, 3, 1, 6, 30)),
        ("2026-02-28T23:30:00-07:00", datetime(2026, 3, 1, 6, 30)),
    ],
)
def test_time_stamps_of_rfc_3339_are_read_as_utc(text, expected):
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize("text", ["2026-03-01T06:30:00", "2026-02-30T06:30:00Z", "2026-03-01", "Z", ""])
def test_other_time_stamps_are_errors(text):
    with pytest.raises(ValueError, match=r"."):
        parse_timestamp(text)
