"""The cows: lactation curves, milk composition, activity and heat.

Yield per day follows Wood (1967, Nature 216:164): y(t) = a t^b e^(-ct), t in days in milk. The parameters are set for a
Holstein herd of 7,500 to 11,000 litres in 305 days with its peak at 11 weeks in the first lactation and 7 to 8 later.
"""

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from .messages import stream

COW_COUNT = 60
CALVING_INTERVAL_DAYS = 400
DRY_FROM_DAY = 340
HIGH_UNTIL_DAY = 140
# ISO 3166 has no country 999: ISO 11784 leaves it for tests.
TAG_COUNTRY = 999
TAG_BASE = 100_000_000_000
OESTROUS_CYCLE_HOURS = 21 * 24
# Peak duration in Silper 2015 (JDS 98:3158): 14.3 h.
HEAT_HOURS = 14


@dataclass(frozen=True)
class WoodCurve:
    """Wood's lactation curve: litres per day at `t` days in milk."""

    a: float
    b: float
    c: float

    @classmethod
    def with_peak(cls, litres, b, c):
        """The curve of shape (b, c) whose highest day gives `litres`."""
        return cls(litres / ((b / c) ** b * math.exp(-b)), b, c)

    @property
    def peak_day(self):
        """Days in milk at the highest yield: b / c."""
        return self.b / self.c

    def daily_yield(self, days_in_milk):
        """Litres on that day; the day of calving counts as day 1, where the curve begins."""
        day = max(days_in_milk, 1)
        return self.a * day**self.b * math.exp(-self.c * day)


CURVES = {
    1: WoodCurve.with_peak(30.0, b=0.20, c=0.0026),
    2: WoodCurve.with_peak(39.0, b=0.20, c=0.0036),
    3: WoodCurve.with_peak(43.0, b=0.21, c=0.0040),
}


@dataclass(frozen=True)
class Cow:
    """One cow: what is particular to her.

    `pen` is the code of her pen, `peak_flow` in L/min, `conductivity` her own healthy level in mS/cm, fat, protein and
    lactose in per cent, `somatic_cells` per mL, `cycle_offset` hours into the oestrous cycle at calving.
    """

    number: int
    parity: int
    calved: date
    pen: str
    yield_factor: float
    peak_flow: float
    conductivity: float
    fat: float
    protein: float
    lactose: float
    somatic_cells: int
    cycle_offset: float

    @property
    def name(self):
        """The number on her ear tag, as text."""
        return str(self.number)

    @property
    def tag_decimal(self):
        """Her transponder's 15 digits, as most readers print them."""
        return f"{TAG_COUNTRY}{TAG_BASE + self.number:012d}"

    @property
    def tag_code(self):
        """The same as ISO 11784's 64-bit code with the animal flag set, as a Modbus reader's register holds it."""
        return 1 << 63 | TAG_COUNTRY << 38 | (TAG_BASE + self.number)

    @property
    def is_milked(self):
        """Dry cows are not brought to the parlour."""
        return self.pen != "DRY"

    def days_in_milk(self, on):
        """Days since calving on a date."""
        return (on - self.calved).days

    def in_heat(self, at):
        """True during the heats of an open cow (30 to 120 days in milk, one every 21 days)."""
        if not 30 <= self.days_in_milk(at.date()) <= 120:
            return False
        calving = datetime(self.calved.year, self.calved.month, self.calved.day, tzinfo=at.tzinfo)
        hours = (at - calving) / timedelta(hours=1) + self.cycle_offset
        return hours % OESTROUS_CYCLE_HOURS < HEAT_HOURS


@dataclass(frozen=True)
class Milk:
    """What one milking gives: litres, per cents, cells per mL, mS/cm at 25 °C, °C."""

    litres: float
    fat: float
    protein: float
    lactose: float
    somatic_cells: int
    conductivity: float
    temperature: float


def _clipped(rng, mean, deviation, low, high):
    return min(max(rng.gauss(mean, deviation), low), high)


def _pen_for(days_in_milk):
    if days_in_milk > DRY_FROM_DAY:
        return "DRY"
    return "HIGH" if days_in_milk <= HIGH_UNTIL_DAY else "LOW"


def _make_cow(seed, number, on):
    rng = stream(seed, "cow", number)
    # A step that is coprime to the herd's size spreads the cows evenly over the calving interval.
    place = number * 23 % COW_COUNT + rng.random()
    days_in_milk = int(place / COW_COUNT * CALVING_INTERVAL_DAYS)
    parity = rng.choices((1, 2, 3, 4, 5), weights=(34, 26, 19, 13, 8))[0]
    return Cow(
        number=number,
        parity=parity,
        calved=on - timedelta(days=days_in_milk),
        pen=_pen_for(days_in_milk),
        yield_factor=round(_clipped(rng, 1.0, 0.1, 0.75, 1.3), 3),
        peak_flow=round(_clipped(rng, 4.2, 0.6, 2.6, 6.2), 2),
        conductivity=round(_clipped(rng, 4.9, 0.25, 4.3, 5.5), 2),
        fat=round(_clipped(rng, 4.1, 0.3, 3.4, 5.0), 2),
        protein=round(_clipped(rng, 3.4, 0.15, 3.0, 3.9), 2),
        lactose=round(_clipped(rng, 4.8, 0.08, 4.5, 5.0), 2),
        # Cell counts are log-normal; a median of 90,000 leaves some cows of a herd subclinical.
        somatic_cells=int(min(math.exp(rng.gauss(math.log(90_000), 0.65)), 900_000)),
        cycle_offset=round(rng.uniform(0, OESTROUS_CYCLE_HOURS), 1),
    )


class Herd:
    """All cows, and what they do at a given time.

    :param seed: the run's seed
    :param cows: `Cow` records
    :param mastitis: cow number → aware UTC time from which her udder is inflamed
    """

    def __init__(self, seed, cows, mastitis=None):
        self.seed = seed
        self.cows = {cow.number: cow for cow in cows}
        self._mastitis = mastitis or {}

    @classmethod
    def generate(cls, seed, on):
        """The demo herd as it stands on the date `on`: the same for the same seed and date."""
        return cls(seed, [_make_cow(seed, number, on) for number in range(1, COW_COUNT + 1)])

    def with_calvings(self, calvings):
        """The same herd with the calving dates (number → date) and pens that a register already holds.

        :param calvings: number → (date of last calving, parity, pen code)
        """
        cows = [
            replace(cow, calved=calvings[number][0], parity=calvings[number][1], pen=calvings[number][2])
            if number in calvings
            else cow
            for number, cow in self.cows.items()
        ]
        return Herd(self.seed, cows, self._mastitis)

    def with_mastitis(self, onsets):
        """The same herd in which the numbered cows fall ill at the given times."""
        return Herd(self.seed, self.cows.values(), onsets)

    def in_pens(self, *codes):
        """Cows of these pens by number."""
        return [cow for cow in self.cows.values() if cow.pen in codes]

    def illness(self, cow, at):
        """Milkings (half days) since her udder inflammation began; 0.0 for a healthy cow."""
        onset = self._mastitis.get(cow.number)
        if onset is None or at < onset:
            return 0.0
        return (at - onset) / timedelta(hours=12)

    def milk(self, cow, at, hours):
        """The milk that a cow gives at `at`, `hours` after her last milking.

        Mastitis raises the conductivity by 12 % of her own level per milking (to +60 %), doubles the cell count every
        second milking and takes 3 % of the yield per milking.
        """
        rng = stream(self.seed, "milk", cow.number, at.isoformat())
        ill = self.illness(cow, at)
        curve = CURVES[min(cow.parity, 3)]
        daily = curve.daily_yield(cow.days_in_milk(at.date())) * cow.yield_factor
        litres = daily * hours / 24 * _clipped(rng, 1.0, 0.05, 0.85, 1.15) * max(1 - 0.03 * ill, 0.6)
        return Milk(
            litres=round(max(litres, 0.5), 3),
            fat=round(_clipped(rng, cow.fat, 0.12, 2.8, 6.0), 2),
            protein=round(_clipped(rng, cow.protein, 0.05, 2.7, 4.5), 2),
            lactose=round(_clipped(rng, cow.lactose - 0.02 * ill, 0.03, 3.8, 5.2), 2),
            somatic_cells=int(min(cow.somatic_cells * _clipped(rng, 1.0, 0.12, 0.7, 1.4) * 2 ** (ill / 2), 9_000_000)),
            conductivity=round(cow.conductivity * _clipped(rng, 1.0, 0.015, 0.96, 1.04) * min(1 + 0.12 * ill, 1.6), 2),
            temperature=round(_clipped(rng, 37.8, 0.3, 36.5, 39.0) + min(0.2 * ill, 1.5), 1),
        )

    def behaviour(self, cow, at):
        """What her collar has seen in the hour up to `at`: a dict of the collar payload's fields.

        A cow rests and ruminates most at night and walks most around milking; in heat she walks more than twice as much
        and ruminates a fifth less.
        """
        rng = stream(self.seed, "collar", cow.number, at.isoformat())
        hour = at.hour + at.minute / 60
        night = math.cos((hour - 2) / 24 * 2 * math.pi)
        bustle = math.exp(-(((hour - 6) / 1.5) ** 2)) + math.exp(-(((hour - 17) / 1.5) ** 2))
        heat = cow.in_heat(at)
        steps = (110 - 40 * night + 120 * bustle) * (2.6 if heat else 1.0) * _clipped(rng, 1.0, 0.1, 0.7, 1.3)
        rumination = (22 + 6 * night - 6 * bustle) * (0.8 if heat else 1.0) + rng.gauss(0, 1.5)
        lying = (32 + 12 * night - 18 * bustle) * (0.4 if heat else 1.0) + rng.gauss(0, 2)
        lying = int(min(max(lying, 0), 60))
        return {
            "animal_id": cow.name,
            "activity_level": int(min(max(steps / 8, 0), 100)),
            "rumination_minutes": int(min(max(rumination, 0), 60)),
            "lying_time_minutes": lying,
            "standing_time_minutes": 60 - lying,
            "steps": int(max(steps, 0)),
            "location": {"zone": cow.pen},
        }
