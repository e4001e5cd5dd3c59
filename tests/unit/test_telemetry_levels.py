"""TimescaleDB is asked for only where asking does no harm, and weeks are weeks."""

from datetime import datetime, timedelta

import pytest

from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.telemetry.levels import APACHE, COMMUNITY, PLAIN, detect, offered
from smart_dairy_iot.telemetry.partitions import week_of, weeks_between
from smart_dairy_iot.telemetry.retention import retention_by_type
from smart_dairy_iot.telemetry.spec import TelemetrySpec


class Server:
    """Answers what `levels` asks, and writes down that the extension was made."""

    def __init__(self, preloaded, edition=None, version="2.18.1", may_create=True):
        self._may_create = may_create
        self._preloaded, self._edition, self._version = preloaded, edition, version
        self.created = False
        self._answer = None

    def execute(self, statement, _parameters=None):
        if statement.startswith("CREATE EXTENSION"):
            assert self._preloaded, "this would have killed the connection"
            self.created = True
        elif "has_database_privilege" in statement:
            self._answer = self._may_create
        elif "pg_available_extensions" in statement:
            assert "pg_settings" in statement
            self._answer = self._preloaded
        elif "extversion" in statement:
            assert self.created, "there is no version of what is not made"
            self._answer = self._version
        elif "pg_extension" in statement:
            self._answer = self.created
        else:
            assert "timescaledb.license" in statement
            assert self.created, "the edition is known to the extension alone"
            self._answer = self._edition

    def fetchone(self):
        return (self._answer,)


def test_a_server_that_has_not_preloaded_timescaledb_is_not_asked_to_make_the_extension():
    server = Server(preloaded=False)
    assert detect(server) == offered(server) == PLAIN
    assert not server.created


def test_a_role_that_may_not_make_the_extension_does_without_it_unless_somebody_has_made_it():
    server = Server(preloaded=True, edition="apache", may_create=False)
    assert detect(server) == offered(server) == PLAIN
    assert not server.created
    server.created = True
    assert detect(server) == offered(server) == APACHE


@pytest.mark.parametrize(("edition", "level"), [("apache", APACHE), ("timescale", COMMUNITY)])
def test_the_edition_is_told_by_the_license_once_the_extension_is_made(edition, level):
    server = Server(preloaded=True, edition=edition)
    assert offered(server) == APACHE, "at the least"
    assert not server.created, "to look is to change nothing"
    assert detect(server) == level
    assert offered(server) == level


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("2.9.3", APACHE),
        ("2.17.2", APACHE),
        ("2.18.0", APACHE),
        ("2.18.1", COMMUNITY),
        ("2.19.0-dev", COMMUNITY),
        ("2.20", COMMUNITY),
        ("3.0.0", COMMUNITY),
    ],
)
def test_nothing_is_compressed_by_a_version_that_loses_readings_behind_a_duplicate(version, level):
    server = Server(preloaded=True, edition="timescale", version=version)
    assert detect(server) == offered(server) == level


def test_a_week_begins_on_monday_and_weeks_follow_one_another_over_the_year_s_end():
    monday = datetime(2025, 12, 29)
    assert {week_of(monday + timedelta(hours=hour)) for hour in range(7 * 24)} == {monday}
    assert week_of(monday - timedelta(microseconds=1)) == monday - timedelta(days=7)
    weeks = weeks_between(monday + timedelta(days=6), monday + timedelta(days=14))
    assert weeks == [monday, monday + timedelta(days=7), monday + timedelta(days=14)]


def test_readings_are_kept_as_long_as_their_model_says():
    specs = [
        TelemetrySpec("a", "iot_activity_reading", ("collar",), ()),
        TelemetrySpec("b", "iot_environment_reading", ("gate", "waterer"), ()),
    ]
    config = Config(telemetry_retention_days=100, telemetry_retention_days_iot_environment_reading=7)
    retention = retention_by_type(specs, config)
    days = [retention(kind).days for kind in ("collar", "gate", "waterer", "unheard_of")]
    assert days == [100, 7, 7, 100]
