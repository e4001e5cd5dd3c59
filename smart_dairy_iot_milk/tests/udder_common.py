"""Milkings of a cow at given times, with what the udder is judged by."""

from datetime import timedelta

from .common import START, MilkCase

HALF_DAY = timedelta(hours=12)


class UdderCase(MilkCase):
    def milking(self, at, conductivity=5.5, liters=12.0, cow=None, **values):
        """A completed milking of five minutes, with all that follows from it."""
        session = self.env["milk.session"].create(
            {
                "meter_id": self.meter.id,
                "animal_id": (cow or self.cow).id,
                "start_time": at,
                "current_yield": liters,
                "total_yield": liters,
                "conductivity": conductivity,
                **values,
            }
        )
        session._complete(at + timedelta(minutes=5))
        return session

    def healthy(self, milkings=20, cow=None, **values):
        """Milkings every twelve hours up to twelve hours before START; conductivity and yield vary by 2 %."""
        values = {"conductivity": 5.5, "liters": 12.0, **values}
        sessions = self.env["milk.session"]
        for back in range(milkings, 0, -1):
            factor = 1 + 0.02 * (-1, 0, 1)[back % 3]
            sessions |= self.milking(
                START - back * HALF_DAY,
                **{**values, "conductivity": values["conductivity"] * factor, "liters": values["liters"] * factor},
                cow=cow,
            )
        return sessions

    def ill(self, number=0, factor=1.35, **values):
        """The milking `number` half days after START, with a conductivity so many times the usual."""
        return self.milking(START + number * HALF_DAY, 5.5 * factor, **values)

    def episodes(self):
        return self.env["farm.health.event"].search(
            [("animal_id", "=", self.cow.id), ("event_type", "=", "mastitis_indicator")]
        )

    def suspected(self):
        return self.env["iot.event"].search([("kind", "=", "mastitis_suspected"), ("animal_id", "=", self.cow.id)])
