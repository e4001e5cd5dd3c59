"""The product's screens that show most, each as the web client opens it, and the readings of its REST API."""

import json
import random
import urllib.parse
import urllib.request
from datetime import datetime, timedelta

from simulation.rpc import OdooClient
from stack.shell import StackError

from .farm import BenchFarm
from .history import History
from .production import new_api_key
from .views import View

LATEST_OF = 1_000
_SEED = 5
_DAY, _MONTH = timedelta(days=1), timedelta(days=30)
# What the list of devices has of what was last heard, with the columns that a user may show.
_LATEST = (
    "connection",
    "last_seen",
    "battery_level",
    "signal_strength",
    "messages_received",
    "error_count",
    "reported_firmware_version",
)


class Screens:
    """Each chooses the farm or device that it shows, and takes the history's end for the present.

    :param client: a session of the administrator, who sees all farms
    :raises StackError: (a screen) where it would show nothing
    """

    def __init__(self, farm: BenchFarm, client: OdooClient, history: History):
        self._client = client
        self._url = farm.instance.url
        self._key = new_api_key(farm)
        self._random = random.Random(_SEED)
        self._now = history.end
        series = farm.instance.odoo.series
        self._temperatures = View(client, series, "iot.temperature.reading", "list")
        self._activities = View(client, series, "iot.activity.reading", "list")
        self._milk = View(client, series, "milk.production.realtime", "list")
        self._energy = View(client, series, "iot.energy.consumption", "graph")
        self._quality = View(client, series, "iot.data.quality", "list")
        self._something_wrong = View(client, series, "iot.data.quality", "search").filter_domain("problems")
        self._sensors, self._codes = {}, {}
        for farm_id, device_id, code in farm.rows(
            "SELECT farm_id, id, device_id FROM iot_device WHERE device_type = 'temperature' ORDER BY id"
        ):
            self._sensors.setdefault(farm_id, []).append(device_id)
            self._codes[device_id] = code

    @property
    def dashboards(self) -> list:
        """What is looked at every day."""
        return [
            self.production_dashboard,
            self.temperatures,
            self.temperatures_of_a_farm,
            self.activities,
            self.milk,
            self.readings_of_a_device,
            self.data_quality,
            self.hours_of_a_device,
            self.days_of_a_device,
        ]

    @property
    def reports(self) -> list:
        """What sums up the hours of each device."""
        return [self.data_quality_by_device, self.energy_of_a_farm, self.energy_of_all_farms]

    def production_dashboard(self):
        """The production dashboard of a farm, on which milkings are under way."""
        found = self._client.call("milk.session", "get_dashboard_data", farm_id=self._farm_id())
        _require(found["recent_sessions"])

    def temperatures(self):
        """The list of temperatures as it opens: the last 24 hours of all farms."""
        _require(self._temperatures.rows(self._last("timestamp", _DAY)))

    def temperatures_of_a_farm(self):
        """The same of one farm."""
        _require(self._temperatures.rows([*self._last("timestamp", _DAY), ("farm_id", "=", self._farm_id())]))

    def activities(self):
        """The list of the collars' readings, as it opens."""
        _require(self._activities.rows(self._last("timestamp", _DAY)))

    def milk(self):
        """The list of the milk meters' readings, as it opens."""
        _require(self._milk.rows(self._last("timestamp", _DAY)))

    def readings_of_a_device(self):
        """What a device's button opens: all its readings, the latest first."""
        _require(self._temperatures.rows([("iot_device_id", "=", self._device_id())]))

    def energy_of_a_farm(self):
        """The graph of Energy Consumption for who sees one farm: its last 30 days, by the day."""
        _require(self._energy.points([*self._last("hour", _MONTH), ("farm_id", "=", self._farm_id())]))

    def energy_of_all_farms(self):
        """The same of all farms."""
        _require(self._energy.points(self._last("hour", _MONTH)))

    def data_quality(self):
        """The list of Data Quality as it opens: where something was wrong in the last 24 hours."""
        _require(self._quality.rows([*self._something_wrong, *self._last("hour", _DAY)]))

    def data_quality_by_device(self):
        """The same, grouped by the device."""
        _require(self._quality.groups([*self._something_wrong, *self._last("hour", _DAY)], "iot_device_id"))

    def hours_of_a_device(self):
        """The REST API's hours of a device, a week of them."""
        self._readings("hour")

    def days_of_a_device(self):
        """The REST API's days of a device, three months of them."""
        self._readings("day")

    def latest(self):
        """What was last heard from each of a thousand devices."""
        devices = list(self._codes)
        chosen = self._random.sample(devices, min(LATEST_OF, len(devices)))
        found = self._client.call("iot.device", "web_read", chosen, {name: {} for name in _LATEST})
        if not all(device["last_seen"] for device in found) or len(found) != len(chosen):
            raise StackError("Some devices have no state.")

    def _readings(self, resolution: str):
        query = urllib.parse.urlencode({"resolution": resolution, "to": f"{self._now.isoformat()}Z"})
        request = urllib.request.Request(
            f"{self._url}/api/v1/iot/devices/{self._codes[self._device_id()]}/readings?{query}",
            headers={"Authorization": f"Bearer {self._key}"},
        )
        with urllib.request.urlopen(request, timeout=600) as response:
            _require(json.load(response)["readings"])

    def _last(self, field: str, span: timedelta) -> list:
        return [(field, ">=", _text(self._now - span))]

    def _farm_id(self) -> int:
        return self._random.choice(list(self._sensors))

    def _device_id(self) -> int:
        return self._random.choice(self._sensors[self._farm_id()])


def _require(found: list) -> None:
    if not found:
        raise StackError("A screen has nothing to show, so that nothing is measured.")


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
