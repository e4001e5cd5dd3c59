"""How long the screens' queries and the latest values take over tens of millions of readings of a group of farms.

Each query is asked many times, for another farm, device or set of devices each time. `dashboard_ms` are the figures of
the slowest of them. What the web client asks for goes through a running server, as its user; the queries on rollups and
on the latest values go to PostgreSQL. No message flows meanwhile.
"""

import random
import time
from datetime import datetime, timedelta

from psycopg2 import sql

from simulation.rpc import OdooClient
from stack.shell import say

from .farm import SMOKE, BenchFarm
from .history import HISTORY_FARM, ROWS, History, fill
from .production import serving
from .results import percentiles

FARM = HISTORY_FARM
TIMES = 5 if SMOKE else 100
LATEST_OF = 1_000
_PAGE = 80
_TABLE = "iot_temperature_reading"
_MODEL = "iot.temperature.reading"
_SEED = 5
_WEEK, _MONTH = timedelta(days=7), timedelta(days=30)

# OFFSET 0: device by device, by the primary key. The rows of a whole week, which the planner takes to be cheaper, are
# those of fifty farms.
_FARM = sql.SQL(
    "SELECT bucket, sum(temperature_sum) / sum(temperature_count), min(temperature_min), max(temperature_max)"
    " FROM unnest(%s) device_id CROSS JOIN LATERAL ("
    "SELECT * FROM {} WHERE iot_device_id = device_id AND bucket >= %s AND farm_id = %s OFFSET 0) rollup"
    " GROUP BY bucket ORDER BY bucket"
)
_FARM_HOURS = _FARM.format(sql.Identifier(f"{_TABLE}_hourly"))
_FARM_DAYS = _FARM.format(sql.Identifier(f"{_TABLE}_daily"))
_DEVICE_HOURS = sql.SQL(
    "SELECT bucket, temperature_sum / nullif(temperature_count, 0), temperature_min, temperature_max"
    " FROM {} WHERE iot_device_id = %s AND bucket >= %s ORDER BY bucket"
).format(sql.Identifier(f"{_TABLE}_hourly"))
_LATEST = sql.SQL(
    "SELECT reading.* FROM unnest(%s) device_id CROSS JOIN LATERAL ("
    "SELECT iot_device_id, timestamp, temperature, humidity FROM {table}"
    " WHERE iot_device_id = device_id ORDER BY timestamp DESC LIMIT 1) reading"
).format(table=sql.Identifier(_TABLE))


def measure(farm: BenchFarm) -> dict:
    """One run, see `docs/benchmarks.md`."""
    history = fill(farm, ROWS)
    with serving(farm) as client:
        queries = Queries(farm, client, history)
        took = {query.__name__: queries.times(query) for query in queries.dashboard}
        latest = queries.times(queries.latest)
    figures = {name: _percentiles(milliseconds) for name, milliseconds in took.items()}
    for name, figure in figures.items():
        say(f"{name}: {figure}")
    slowest = max(figures.values(), key=lambda figure: figure["p95"])
    return {"bench": "query", "rows": history.readings, "dashboard_ms": slowest, "latest_ms": _percentiles(latest)}


class Queries:
    """The queries, each of which chooses what it asks for."""

    def __init__(self, farm: BenchFarm, client: OdooClient, history: History):
        self._farm = farm
        self._client = client
        self._random = random.Random(_SEED)
        self._now = history.end
        self._sensors = {}
        for farm_id, device_id in farm.rows("SELECT farm_id, id FROM iot_device WHERE device_type = 'temperature'"):
            self._sensors.setdefault(farm_id, []).append(device_id)

    @property
    def dashboard(self) -> list:
        return [
            self.production_dashboard,
            self.readings_of_a_day,
            self.readings_of_a_farm,
            self.readings_of_a_device,
            self.hours_of_a_device,
            self.hours_of_a_farm,
            self.days_of_a_farm,
        ]

    def times(self, query) -> list[float]:
        """The milliseconds that each of many times took, after one that is not counted."""
        query()
        return [self._time(query) for _number in range(TIMES)]

    def production_dashboard(self):
        """What the production dashboard fetches."""
        self._client.call("milk.session", "get_dashboard_data", farm_id=self._farm_id())

    def readings_of_a_day(self):
        """The first page of the list of temperatures, with the filter that it opens with."""
        self._list([])

    def readings_of_a_farm(self):
        """The same of one farm."""
        self._list([("farm_id", "=", self._farm_id())])

    def readings_of_a_device(self):
        """The same of one device."""
        self._list([("iot_device_id", "=", self._device_id())])

    def hours_of_a_device(self):
        """A device's graph of a month, by the hour."""
        self._farm.rows(_DEVICE_HOURS, self._device_id(), self._now - _MONTH)

    def hours_of_a_farm(self):
        """A farm's graph of a week, by the hour: of all its temperature sensors together."""
        self._graph_of_a_farm(_FARM_HOURS, _WEEK)

    def days_of_a_farm(self):
        """The same of a month, by the day."""
        self._graph_of_a_farm(_FARM_DAYS, _MONTH)

    def latest(self):
        """The latest values of a thousand devices."""
        devices = [device_id for device_ids in self._sensors.values() for device_id in device_ids]
        chosen = self._random.sample(devices, min(LATEST_OF, len(devices)))
        assert len(self._farm.rows(_LATEST, chosen)) == len(chosen)

    def _graph_of_a_farm(self, statement: sql.Composed, span: timedelta):
        farm_id = self._farm_id()
        self._farm.rows(statement, self._sensors[farm_id], self._now - span, farm_id)

    def _list(self, domain: list):
        fields = ("timestamp", "temperature", "humidity", "location", "location_type")
        specification = {name: {} for name in fields} | {"iot_device_id": {"fields": {"display_name": {}}}}
        since = _text(self._now - timedelta(days=1))
        self._client.call(
            _MODEL,
            "web_search_read",
            [("timestamp", ">=", since), *domain],
            specification,
            limit=_PAGE,
            count_limit=10_001,
        )

    def _farm_id(self) -> int:
        return self._random.choice(list(self._sensors))

    def _device_id(self) -> int:
        return self._random.choice(self._sensors[self._farm_id()])

    def _time(self, query) -> float:
        began = time.monotonic()
        query()
        return 1000 * (time.monotonic() - began)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _percentiles(milliseconds: list[float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in percentiles(milliseconds, 50, 95).items()}
