"""The whole demo farm as one model: every message of every device, a function of seed, start and going-live time."""

from datetime import timedelta

from .faults import FaultError, Faults
from .layout import COLLARS, DEVICES, FEEDERS, TEMPERATURE_SENSORS, stalls
from .messages import Cadence, in_order
from .parlour import Parlour
from .sensors import collar_messages, feeder_messages, staggered, status_messages, temperature_messages
from .tank import BulkTank

# device type → (interval while the past is caught up with, interval when live)
INTERVALS = {
    "milking": (timedelta(seconds=30), timedelta(seconds=2)),
    "temperature": (timedelta(minutes=2), timedelta(seconds=30)),
    "collar": (timedelta(minutes=5), timedelta(minutes=2)),
    "status": (timedelta(hours=1), timedelta(minutes=2)),
}


class DemoFarm:
    """The models of all devices, joined.

    :param seed: int; the same seed, herd and times give byte-identical messages
    :param herd: a `Herd`
    :param schedule: a `Schedule` of the milkings
    :param start: aware UTC, where the history begins
    :param live_from: aware UTC, when simulated time meets the wall clock
    :param faults: `Fault`s, beginning at `live_from`
    :raise FaultError: a fault of a cow that is not there or not milked
    """

    def __init__(self, seed, herd, schedule, start, live_from, faults=()):
        self._seed = seed
        self._start = start
        self._cadences = {name: Cadence(*intervals, live_from) for name, intervals in INTERVALS.items()}
        self._faults = Faults(faults, live_from)
        onsets = self._faults.mastitis(start)
        for number in onsets:
            if number not in herd.cows or not herd.cows[number].is_milked:
                raise FaultError(f"Cow {number} is not milked: her conductivity cannot be seen.")
        self._herd = herd.with_mastitis(onsets)
        self.parlour = Parlour(self._herd, stalls(), schedule, start, self._cadences["milking"])
        self._tank = BulkTank(self.parlour, schedule, start, self._faults.tank_broken_from)

    def messages(self):
        """Endless messages of all publishing devices in time order, faults applied. To be iterated once."""
        healthy = in_order(
            self.parlour.messages(), *self._temperatures(), *self._collars(), *self._feeders(), *self._heartbeats()
        )
        for message in healthy:
            sent = self._faults.apply(message)
            if sent is not None:
                yield sent

    def _temperatures(self):
        for first, device in self._spread("temperature", TEMPERATURE_SENSORS):
            yield temperature_messages(self._seed, device, self._tank, self._cadences["temperature"], first)

    def _collars(self):
        for first, device in self._spread("collar", COLLARS):
            yield collar_messages(self._seed, device, self._herd, self._cadences["collar"], first)

    def _feeders(self):
        for device in FEEDERS:
            yield feeder_messages(self._seed, device, self._herd, self._start)

    def _heartbeats(self):
        publishing = [device for device in DEVICES.values() if not device.is_modbus]
        for first, device in self._spread("status", publishing):
            yield status_messages(device, self._cadences["status"], first)

    def _spread(self, name, devices):
        """Each device with the time of its first report, so that they do not all speak at once."""
        cadence = self._cadences[name]
        for place, device in enumerate(devices):
            yield staggered(self._start, cadence, place, len(devices)), device
