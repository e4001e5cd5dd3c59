"""What is usual of a cow, found out once a day: her conductivity and her lactation curve."""

from datetime import timedelta
from math import exp

from odoo import api, fields, models

from ..lactation import Curve, fit
from ..mastitis.baseline import baseline
from ..mastitis.evidence import CONDUCTIVITY_SPREAD
from ..mastitis.norm import WINDOW

_ENOUGH = 5  # milkings for a conductivity baseline
# Animals per run: a scheduled action that runs long holds up the others.
_AT_ONCE = 50
_LONGEST_LACTATION = 600


class FarmAnimal(models.Model):
    _inherit = "farm.animal"

    lactation_curve = fields.Json(
        readonly=True, copy=False, help="Wilmink's curve of the current lactation, fitted to daily yields in litres."
    )
    usual_refreshed_on = fields.Date(readonly=True, copy=False, help="When the curve was fitted last.")

    def _curve(self):
        """The `Curve` of the animal's current lactation; None where it has none, or has calved since."""
        curve = self.lactation_curve
        if not curve or not self.last_calving_date or curve["calving"] != self.last_calving_date.isoformat():
            return None
        return Curve(curve["a"], curve["b"], curve["c"], curve["residual_sd"], curve["days"])

    def _curve_yield(self, day):
        """Litres to expect of a day by the curve; 0.0 without one.

        :param day: date by the farm's calendar
        """
        curve = self._curve()
        return curve.daily((day - self.last_calving_date).days) if curve else 0.0

    @api.model
    def _cron_refresh_usual(self):
        """Refresh some of the lactating animals that were not refreshed today."""
        today = fields.Date.context_today(self)
        domain = [
            ("status", "=", "lactating"),
            "|",
            ("usual_refreshed_on", "=", False),
            ("usual_refreshed_on", "<", today),
        ]
        self.search(domain, order="id", limit=_AT_ONCE)._refresh_usual(today)

    def _refresh_usual(self, today):
        """Fit curve and conductivity baseline of these animals."""
        conductivities = self._conductivities(fields.Datetime.now() - WINDOW)
        days = self._daily_yields(today)
        for animal in self:
            vals = {"usual_refreshed_on": today, "lactation_curve": animal._fitted(days.get(animal.id, {}), today)}
            values = conductivities.get(animal.id, [])
            if len(values) >= _ENOUGH:
                vals["conductivity_baseline"] = exp(baseline(values, CONDUCTIVITY_SPREAD).center)
            animal.write(vals)

    def _conductivities(self, since):
        """dict id of the animal -> list of ln(conductivity at 25 °C) of milkings that were not withheld."""
        found = {}
        rows = self.env["milk.session"]._udder_milkings(
            "session.animal_id = ANY(%s) AND session.start_time >= %s", [self.ids, since]
        )
        for row in rows:
            if row.milking.log_conductivity is not None and not row.milking.withheld:
                found.setdefault(row.animal_id, []).append(row.milking.log_conductivity)
        return found

    def _daily_yields(self, today):
        """dict id of the animal -> dict date -> litres, of the whole days of its lactation before today."""
        groups = self.env["farm.milk.production"]._read_group(
            [
                ("animal_id", "in", self.ids),
                ("date", "<", today),
                ("date", ">=", today - timedelta(days=_LONGEST_LACTATION)),
            ],
            ["animal_id", "date:day"],
            ["quantity:sum", "__count"],
        )
        found = {}
        for animal, day, liters, count in groups:
            found.setdefault(animal.id, {})[fields.Date.to_date(day)] = (liters, count)
        return found

    def _fitted(self, days, today):
        """The curve of the current lactation as a JSON value; False without enough days.

        :param days: dict date -> (litres, number of milkings)
        """
        calving = self.last_calving_date
        if not calving:
            return False
        own = {(day - calving).days: value for day, value in days.items() if calving < day < today}
        if not own:
            return False
        # A day on which a milking was not recorded says nothing of what she gave.
        counts = sorted(count for _liters, count in own.values())
        usual = counts[len(counts) // 2]
        own = {day: liters for day, (liters, count) in own.items() if count >= usual}
        curve = fit(list(own), list(own.values()), self.lactation_number)
        if curve is None:
            return False
        return {
            "calving": calving.isoformat(),
            "a": curve.a,
            "b": curve.b,
            "c": curve.c,
            "residual_sd": curve.residual_sd,
            "days": curve.days,
        }
