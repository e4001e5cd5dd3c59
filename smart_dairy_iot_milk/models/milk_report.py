"""Reports of a farm's milk: the figures of each as one dict of plain values, which PDF and XLSX show alike.

What a report is, `exchange.workbook` tells. Days are the farm's. Milk that was withheld and milk whose animal nobody
knows are shown as such.
"""

from collections import defaultdict

from odoo import _, api, models
from odoo.tools import format_date
from odoo.tools.misc import formatLang

from ..exchange.workbook import DIGITS
from .milk_dashboard import _local_day

UNKNOWN = False
"""In place of an animal's id: nobody knows whose milk it was."""


class MilkReport(models.AbstractModel):
    _name = "milk.report"
    _description = "Milk Report"

    # ------------------------------------------------------------------ daily production

    @api.model
    def daily(self, farm, day):
        """The milk of each animal of a farm on one of its days."""
        productions = self.env["farm.milk.production"]
        domain = [("farm_id", "=", farm.id), ("date", "=", day)]
        of_animals = {row["animal_id"]: row for row in productions._milk_by(domain, ["animal_id"])}
        halves = {
            (row["animal_id"], row["milking_time"]): row["liters"]
            for row in productions._milk_by(domain, ["animal_id", "milking_time"])
        }
        withheld, rejected = self._withheld(farm, day, day), self._rejected(farm, day, day)
        # sudo: who was milked here is known here, also where she has gone to a farm that is closed to the user.
        animals = self.env["farm.animal"].sudo().browse(of_animals)
        rows = [
            [
                animal.name,
                animal.lactation_number or None,
                halves.get((animal.id, "am")),
                halves.get((animal.id, "pm")),
                row["liters"],
                row["milkings"],
                *_means(row),
                self._delivery((animal.id, day), withheld, rejected),
            ]
            for animal in animals.sorted(lambda animal: (animal.number_order, animal.id))
            for row in [of_animals[animal.id]]
        ]
        unknown = self._unknown_by_half(farm, day)
        if unknown["milkings"]:
            liters = [unknown["am"] or None, unknown["pm"] or None, unknown["am"] + unknown["pm"]]
            rows.append([_("Unknown animal"), None, *liters, unknown["milkings"], *[None] * 4, None])
        (total,) = productions._milk_by(domain)
        kept_back = sum(of_animals[animal]["liters"] for animal, _day in withheld if animal in of_animals)
        unfit = sum(liters for animal_day, liters in rejected.items() if animal_day not in withheld)
        all_milk = total["liters"] + unknown["am"] + unknown["pm"]
        return self._report(
            "daily",
            _("Daily Milk Production"),
            farm,
            (day, day),
            facts=[
                (_("Milk (L)"), all_milk, "liters"),
                (_("of it withheld (L)"), kept_back, "liters"),
                (_("of it graded reject, not withheld (L)"), unfit, "liters"),
                (_("of it of unknown animals (L)"), unknown["am"] + unknown["pm"], "liters"),
                (_("Animals milked"), len(animals), "integer"),
                (_("Milkings"), total["milkings"] + unknown["milkings"], "integer"),
                (_("Milk per animal (L)"), total["liters"] / len(animals) if animals else None, "liters"),
            ],
            tables=[
                {
                    "title": _("Animals"),
                    "columns": [
                        _column(_("Animal")),
                        _column(_("Lactation"), "integer"),
                        _column(_("Morning (L)"), "liters"),
                        _column(_("Evening (L)"), "liters"),
                        _column(_("Day (L)"), "liters"),
                        _column(_("Milkings"), "integer"),
                        *self._mean_columns(),
                        _column(_("Delivery")),
                    ],
                    "rows": rows,
                    "total": [
                        _("All"),
                        None,
                        _sum(rows, 2),
                        _sum(rows, 3),
                        all_milk,
                        total["milkings"] + unknown["milkings"],
                        *_means(total),
                        None,
                    ],
                }
            ],
        )

    # ------------------------------------------------------------------ animal record

    @api.model
    def animal(self, animal, since, until):
        """An animal's milk, day by day, from one day to another (both are in it)."""
        productions = self.env["farm.milk.production"]
        domain = [("animal_id", "=", animal.id), ("date", ">=", since), ("date", "<=", until)]
        halves = defaultdict(dict)
        for row in productions._milk_by(domain, ["date", "milking_time"]):
            halves[row["date"]][row["milking_time"]] = row["liters"]
        withheld = self._withheld(animal.farm_id, since, until, animal)
        rejected = self._rejected(animal.farm_id, since, until, animal)
        days = productions._milk_by(domain, ["date"])
        rows = [
            [
                row["date"],
                _days_in_milk(animal, row["date"]),
                halves[row["date"]].get("am"),
                halves[row["date"]].get("pm"),
                row["liters"],
                row["milkings"],
                *_means(row),
                self._delivery((animal.id, row["date"]), withheld, rejected),
            ]
            for row in days
        ]
        (total,) = productions._milk_by(domain)
        return self._report(
            "animal",
            _("Milk Record of %s", animal.name),
            animal.farm_id,
            (since, until),
            facts=[
                (_("Lactation"), animal.lactation_number or None, "integer"),
                (_("Last calving"), animal.last_calving_date or None, "date"),
                (_("Tag"), animal.rfid_numbers or None, "text"),
                (_("Milk (L)"), total["liters"], "liters"),
                (_("Days with milk"), len(days), "integer"),
                (_("Milk per day (L)"), total["liters"] / len(days) if days else None, "liters"),
            ],
            tables=[
                {
                    "title": _("Days"),
                    "columns": [
                        _column(_("Date"), "date"),
                        _column(_("Days in Milk"), "integer"),
                        _column(_("Morning (L)"), "liters"),
                        _column(_("Evening (L)"), "liters"),
                        _column(_("Day (L)"), "liters"),
                        _column(_("Milkings"), "integer"),
                        *self._mean_columns(),
                        _column(_("Delivery")),
                    ],
                    "rows": rows,
                    "total": [
                        _("All"),
                        None,
                        _sum(rows, 2),
                        _sum(rows, 3),
                        total["liters"],
                        total["milkings"],
                        *_means(total),
                        None,
                    ],
                },
                self._health_table(animal, since, until),
            ],
        )

    @api.model
    def _health_table(self, animal, since, until):
        events = self.env["farm.health.event"].search(
            [("animal_id", "=", animal.id), ("date", ">=", since), ("date", "<=", until)], order="date, id"
        )
        kinds = dict(events._fields["event_type"]._description_selection(self.env))
        return {
            "title": _("Health"),
            "columns": [
                _column(_("Date"), "date"),
                _column(_("Event")),
                _column(_("Description")),
                _column(_("Milk Withheld Until"), "date"),
            ],
            "rows": [
                [event.date, kinds[event.event_type], event.description or None, event.withdrawal_until or None]
                for event in events
            ],
            "total": None,
        }

    # ------------------------------------------------------------------ common to all

    @api.model
    def _report(self, name, title, farm, span, facts, tables, notes=()):
        since, until = (format_date(self.env, day) for day in span)
        days = since if span[0] == span[1] else _("%(since)s to %(until)s", since=since, until=until)
        for table in tables:
            for column in table["columns"]:
                column["digits"] = DIGITS.get(column["kind"])
        return {
            "name": name,
            "title": title,
            "subtitle": f"{farm.name}, {days}",
            "farm": farm.code,
            "since": span[0],
            "until": span[1],
            "digits": DIGITS,
            "facts": facts,
            "tables": tables,
            "notes": list(notes),
        }

    @api.model
    def _mean_columns(self):
        return [
            _column(_("Fat (%)"), "percent"),
            _column(_("Protein (%)"), "percent"),
            _column(_("Lactose (%)"), "percent"),
            _column(_("Cells (1000/mL)"), "integer"),
        ]

    @api.model
    def _withheld(self, farm, since, until, animal=None):
        """{(animal's id, day)} of the days on which an animal's milk may not be delivered."""
        domain = [*_of(farm, animal), ("date", "<=", until), ("withdrawal_until", ">=", since)]
        return {
            (event.animal_id.id, day)
            for event in self.env["farm.health.event"].search(domain)
            for day in _days(max(event.date, since), min(event.withdrawal_until, until))
        }

    @api.model
    def _rejected(self, farm, since, until, animal=None):
        """{(animal's id, day): litres} of milkings that were graded reject."""
        domain = [
            *_of(farm, animal),
            ("start_time", ">=", _local_day(since, farm.tz)[0]),
            ("start_time", "<", _local_day(until, farm.tz)[1]),
            ("state", "=", "completed"),
            ("quality_grade", "=", "reject"),
            ("animal_id", "!=", UNKNOWN),
        ]
        liters = defaultdict(float)
        for session in self.env["milk.session"].search(domain):
            liters[session.animal_id.id, session.farm_id._local_date(session.start_time)] += session.total_yield
        return liters

    @api.model
    def _delivery(self, animal_day, withheld, rejected):
        """What is said of the delivery of an animal's milk of a day; None where nothing speaks against it."""
        if animal_day in withheld:
            return _("withheld")
        liters = rejected.get(animal_day)
        return _("%s L rejected", formatLang(self.env, liters, digits=1)) if liters else None

    @api.model
    def _unknown_by_half(self, farm, day):
        """The milk of completed milkings of one day whose animal nobody knows: litres of `am`, `pm`, and `milkings`."""
        start, end = _local_day(day, farm.tz)
        sessions = self.env["milk.session"].search_fetch(
            [
                ("farm_id", "=", farm.id),
                ("start_time", ">=", start),
                ("start_time", "<", end),
                ("state", "=", "completed"),
                ("animal_id", "=", UNKNOWN),
            ],
            ["start_time", "total_yield"],
        )
        liters = {"am": 0.0, "pm": 0.0}
        for session in sessions:
            liters[farm._milking_time(session.start_time)] += session.total_yield
        return {**liters, "milkings": len(sessions)}


def _column(title, kind="text"):
    return {"title": title, "kind": kind}


def _means(row):
    """Of what `_milk_by` gave, in the order of `_mean_columns`."""
    cells = row["cells"]
    return [row["fat"], row["protein"], row["lactose"], None if cells is None else round(cells / 1000)]


def _sum(rows, column):
    return sum(row[column] or 0.0 for row in rows)


def _of(farm, animal):
    """Domain of what is one animal's, wherever it was then; where none is named, of what is a farm's."""
    return [("animal_id", "=", animal.id)] if animal else [("farm_id", "=", farm.id)]


def _days(since, until):
    """The days from one to another, both included."""
    return [since.fromordinal(number) for number in range(since.toordinal(), until.toordinal() + 1)]


def _days_in_milk(animal, day):
    """None before the calving that is known."""
    calving = animal.last_calving_date
    return (day - calving).days if calving and calving <= day else None
