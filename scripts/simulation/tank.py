"""The bulk tank: milk of 35 °C flows in during milking and is cooled to 4 °C."""

import math
from datetime import timedelta

MILK_CELSIUS = 35.0
COOLANT_CELSIUS = 0.5
# ISO 5708, cooling class II: all the milk from 35 °C to 4 °C in three hours, with the tank at its rated volume.
RATED_LITRES = 1600.0
RATED_SECONDS = 3 * 3600 / math.log((MILK_CELSIUS - COOLANT_CELSIUS) / (4.0 - COOLANT_CELSIUS))
COMPRESSOR_ON_ABOVE = 4.4
COMPRESSOR_OFF_BELOW = 3.7
# The heat of these 1600 litres in three hours, by a plant that moves three times what it uses.
COMPRESSOR_WATTS = 6200.0
# Below half full, less milk also touches less of the cooled floor, and cools no faster.
LEAST_SHARE = 0.5
# Less milk than this does not reach the stirrer: nothing cools it.
STIRRER_LITRES = 40.0
# Time constants of warming up to the room: an insulated tank with milk, and an empty one.
FULL_WARMING_SECONDS = 60 * 3600.0
EMPTY_WARMING_SECONDS = 3600.0
COLLECTED_BEFORE_MILKING = timedelta(minutes=90)
STEP = timedelta(seconds=30)


class BulkTank:
    """The tank's state, moved forward in time by `advance`.

    Cooling follows Newton: the compressor holds the wall at `COOLANT_CELSIUS`, and the milk approaches it with a time
    constant that grows with the volume. The milk lorry empties the tank once a day, before the first milking.

    :param parlour: a `Parlour`, asked for the inflow
    :param schedule: a `Schedule`
    :param since: aware UTC time of the initial state (a cooled rest of milk)
    :param broken_from: time from which the compressor does not run, or None
    """

    def __init__(self, parlour, schedule, since, broken_from=None):
        self._parlour = parlour
        self._broken_from = broken_from
        self._collections = (
            start - COLLECTED_BEFORE_MILKING
            for start in schedule.starts(since + COLLECTED_BEFORE_MILKING)
            if schedule.is_first(start)
        )
        self._next_collection = next(self._collections)
        self._at = since
        self._compressor = False
        self._used_wh = 0.0
        self.litres = 600.0
        self.celsius = 4.0

    def advance(self, at, room):
        """Move the state forward to `at`; `room` is the room's temperature in °C."""
        while self._at < at:
            until = min(self._at + STEP, at)
            self._step(until, room)
            self._at = until

    def take_energy(self):
        """The energy used since it was last asked for, in Wh."""
        used, self._used_wh = self._used_wh, 0.0
        return used

    def _step(self, until, room):
        if until >= self._next_collection:
            self.litres = 0.0
            self._next_collection = next(self._collections)
        inflow = self._parlour.inflow(self._at, until)
        if inflow > 0:
            self.celsius = (self.litres * self.celsius + inflow * MILK_CELSIUS) / (self.litres + inflow)
            self.litres += inflow
        seconds = (until - self._at) / timedelta(seconds=1)
        if self._is_cooling(until):
            constant = RATED_SECONDS * max(self.litres / RATED_LITRES, LEAST_SHARE)
            self._approach(COOLANT_CELSIUS, seconds, constant)
            self._used_wh += COMPRESSOR_WATTS * seconds / 3600
        else:
            self._approach(room, seconds, FULL_WARMING_SECONDS if self.litres else EMPTY_WARMING_SECONDS)

    def _is_cooling(self, at):
        if self.celsius > COMPRESSOR_ON_ABOVE:
            self._compressor = True
        elif self.celsius < COMPRESSOR_OFF_BELOW:
            self._compressor = False
        broken = self._broken_from is not None and at >= self._broken_from
        return self._compressor and self.litres >= STIRRER_LITRES and not broken

    def _approach(self, target, seconds, constant):
        self.celsius = target + (self.celsius - target) * math.exp(-seconds / constant)
