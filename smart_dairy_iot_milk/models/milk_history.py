"""What a farm or an animal has given over days, weeks and months, and the course of a cow's lactation.

All of it is read from the production records by grouped queries with the user's own rights; days are the farm's, and
only those that are over count.
"""

from dateutil.relativedelta import relativedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import date_utils

from ..lactation import fit, total_by_test_intervals

#: Period -> how many of them are shown.
PERIODS = {"day": 30, "week": 26, "month": 12}
_STEPS = {"day": relativedelta(days=1), "week": relativedelta(weeks=1), "month": relativedelta(months=1)}
#: Of a standard lactation.
LACTATION_DAYS = 305
#: The expected curve is drawn with a point every so many days.
_CURVE_STEP = 3


class MilkHistory(models.AbstractModel):
    _name = "milk.history"
    _description = "Milk History"

    @api.model
    def get_history(self, farm_id=False, animal_id=False, period="day"):
        """The milk of a farm, or of an animal, in its last periods that are over, and in as many before them.

        :param farm_id: the first farm that the user may see, where it is empty; of no matter with an animal
        :param period: day, week or month
        :return: dict with `farms`, `farm_id` (False without any farm), `animal` ({"id", "name"} or False), `period`,
            `current` and `before`: lists of [first day, litres or None where nothing was recorded], and `total` and
            `total_before` in litres
        """
        if period not in PERIODS:
            raise UserError(_("There is no such period: %s", period))
        animal = self.env["farm.animal"].browse(animal_id or []).exists()
        farms = self.env["farm.location"].search([])
        farm = animal.farm_id or farms.filtered(lambda each: each.id == farm_id) or farms[:1]
        of_whom = [("animal_id", "=", animal.id)] if animal else [("farm_id", "=", farm.id)]
        starts = self._starts(farm, period)
        liters = self._liters(of_whom, period, starts[0], starts[-1] + _STEPS[period]) if farm else {}
        points = [[start.isoformat(), liters.get(start)] for start in starts]
        before, current = points[: PERIODS[period]], points[PERIODS[period] :]
        return {
            "farms": [{"id": each.id, "name": each.name} for each in farms],
            "farm_id": farm.id,
            "animal": {"id": animal.id, "name": animal.name} if animal else False,
            "period": period,
            "current": current,
            "before": before,
            "total": sum(value or 0.0 for _start, value in current),
            "total_before": sum(value or 0.0 for _start, value in before),
        }

    @api.model
    def _starts(self, farm, period):
        """The first days of the periods, those before the shown ones too; none that is not over on the farm's clock."""
        now = fields.Datetime.now()
        today = farm._local_date(now) if farm else now.date()
        running = date_utils.start_of(today, period)
        first = running
        for _number in range(2 * PERIODS[period]):
            first -= _STEPS[period]
        starts = []
        while first < running:
            starts.append(first)
            first += _STEPS[period]
        return starts

    @api.model
    def _liters(self, of_whom, period, since, until):
        """{first day: litres} of periods, from `since` to before `until`."""
        domain = [*of_whom, ("date", ">=", since), ("date", "<", until)]
        rows = self.env["farm.milk.production"]._milk_by(domain, period=period)
        return {row["period"]: row["liters"] for row in rows}

    @api.model
    def get_lactation(self, animal_id):
        """The lactation that a cow is in: what she gave on each day, and what her curve would have her give.

        :return: dict with `name`, `lactation`, `calving` (ISO date, or False: then nothing else is there), `measured`
            and `expected`: lists of [day in milk, litres]; `expected` is empty where there is too little to tell;
            `total`: litres by ICAR's Test Interval Method to `total_day`, 0 where fewer than two days are known
        """
        animal = self.env["farm.animal"].browse(animal_id)
        found = {
            "name": animal.name,
            "lactation": animal.lactation_number,
            "calving": animal.last_calving_date.isoformat() if animal.last_calving_date else False,
            "measured": [],
            "expected": [],
            "total": 0.0,
            "total_day": 0,
        }
        if not animal.last_calving_date:
            return found
        measured = self._days_in_milk(animal)
        days, liters = [day for day, _liters in measured], [amount for _day, amount in measured]
        curve = fit(days, liters, animal.lactation_number)
        tested = [day for day in days if day <= LACTATION_DAYS]
        # One day would stand for all since calving.
        has_total = len(tested) > 1
        return {
            **found,
            "measured": [list(point) for point in measured],
            "expected": [[day, curve.daily(day)] for day in self._drawn(days)] if curve else [],
            "total": total_by_test_intervals(days, liters, LACTATION_DAYS) if has_total else 0.0,
            "total_day": tested[-1] if has_total else 0,
        }

    @api.model
    def _days_in_milk(self, animal):
        """[(day in milk, litres)] of the days after the calving that are over."""
        calving = animal.last_calving_date
        today = animal.farm_id._local_date(fields.Datetime.now())
        domain = [("animal_id", "=", animal.id), ("date", ">", calving), ("date", "<", today)]
        rows = self.env["farm.milk.production"]._milk_by(domain, ["date"])
        return [((row["date"] - calving).days, row["liters"]) for row in rows]

    @api.model
    def _drawn(self, days):
        last = max(LACTATION_DAYS, days[-1])
        return [*range(1, last, _CURVE_STEP), last]
