"""What temperature sensors, collars and feeders report, and the status that every device sends."""

import math
from datetime import timedelta

from .layout import BULK_TANK, collar_wearer
from .messages import Message, stream

FIRMWARE = "2.4.1"
BATTERY_LIFE_DAYS = 730
FEED_BIN_KILOGRAMS = 400.0
FEED_KILOGRAMS_PER_MINUTE = 0.35
AUGER_WATTS = 370.0


def outdoor_celsius(seed, at):
    """The weather: a mild day with its maximum at 15 h, some days warmer than others."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    share = (at - day) / timedelta(days=1)
    today, tomorrow = (stream(seed, "weather", date.date()).gauss(12, 3) for date in (day, day + timedelta(days=1)))
    return today + (tomorrow - today) * share + 5 * math.cos((share * 24 - 15) / 24 * 2 * math.pi)


def battery_level(seed, device_id, at):
    """Per cent left of a battery that is replaced, at 20 %, every two years."""
    age = stream(seed, "battery", device_id).random() + at.timestamp() / (86400 * BATTERY_LIFE_DAYS)
    return round(100 - 80 * (age % 1), 1)


def staggered(since, cadence, place, count):
    """The first report of the `place`th of `count` devices, spread over one interval."""
    return since + cadence.history * place / count


def temperature_messages(seed, device, tank, cadence, first):
    """Endless readings of one temperature sensor; `tank` is the `BulkTank`, read by the sensor that sits in it."""
    for at in cadence.times(first):
        rng = stream(seed, device.device_id, at.isoformat())
        barn = outdoor_celsius(seed, at) + 3
        humidity = min(max(72 - 1.6 * (barn - 15) + rng.gauss(0, 1.5), 25), 99)
        fields = {"humidity": round(humidity, 1)}
        if device.device_id == BULK_TANK:
            tank.advance(at, room=barn)
            celsius = tank.celsius + rng.gauss(0, 0.05)
            fields = {"energy_wh": round(tank.take_energy(), 1)}  # a probe in the milk has no hygrometer
        elif device.location_type == "cold_storage":
            celsius = 4 + 0.8 * math.sin(at.timestamp() / 1500 * 2 * math.pi) + rng.gauss(0, 0.1)
        else:
            celsius = barn + stream(seed, "place", device.device_id).gauss(0, 0.7) + rng.gauss(0, 0.15)
        yield Message.build(
            at,
            device.device_id,
            "data",
            temperature=round(celsius, 2),
            location=device.name,
            location_type=device.location_type,
            battery_level=battery_level(seed, device.device_id, at),
            signal_strength=rng.randint(-78, -55),
            **fields,
        )


def collar_messages(seed, device, herd, cadence, first):
    """Endless readings of the collar of one cow."""
    cow = herd.cows[collar_wearer(device.device_id)]
    for at in cadence.times(first):
        battery = battery_level(seed, device.device_id, at)
        yield Message.build(at, device.device_id, "data", battery_level=battery, **herd.behaviour(cow, at))


def feeder_messages(seed, device, herd, since):
    """Endless visits of cows to one feeder, each reported when the cow leaves."""
    rng = stream(seed, device.device_id, since.isoformat())
    cows = herd.in_pens(device.pen)
    bin_kilograms = FEED_BIN_KILOGRAMS * rng.uniform(0.5, 0.95)
    at = since
    while True:
        minutes_free = rng.expovariate(1 / (10 if 5 <= at.hour < 22 else 35))
        kilograms = round(min(max(rng.gauss(0.9, 0.3), 0.2), 2.0), 2)
        seconds = round(60 * kilograms / FEED_KILOGRAMS_PER_MINUTE)
        at += timedelta(seconds=round(60 * minutes_free) + seconds)
        cow = rng.choice(cows)
        bin_kilograms -= kilograms
        if bin_kilograms < 0.15 * FEED_BIN_KILOGRAMS:
            bin_kilograms = 0.95 * FEED_BIN_KILOGRAMS
        yield Message.build(
            at,
            device.device_id,
            "data",
            animal_id=cow.name,
            rfid_tag=cow.tag_decimal,
            feed_type="concentrate",
            quantity_kg=kilograms,
            duration_seconds=seconds,
            bin_level_percent=round(100 * bin_kilograms / FEED_BIN_KILOGRAMS, 1),
            status="dispensing",
            energy_wh=round(AUGER_WATTS * seconds / 3600, 1),
        )


def status_message(device_id, at, status, **fields):
    """A device's own word on its state: `status` is `online` or `offline`."""
    return Message.build(at, device_id, "status", status=status, **fields)


def status_messages(device, cadence, first):
    """Endless heartbeats of one device: between its readings, it shows that it lives.

    Its firmware's version it tells when it connects, and when it has installed another.
    """
    for at in cadence.times(first):
        uptime = int((at - first) / timedelta(seconds=1))
        yield status_message(device.device_id, at, "online", uptime_seconds=uptime)
