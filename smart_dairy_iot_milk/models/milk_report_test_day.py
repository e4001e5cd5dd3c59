"""The herd's test day for milk recording: one line for each cow in milk, in kilograms."""

from odoo import _, api, models

from ..exchange.units import to_kilograms
from .milk_report import _column, _days_in_milk

_SICKNESSES = ("mastitis", "lameness", "treatment")
"""Health events of the day that make a cow count as sick."""


class MilkReport(models.AbstractModel):
    _inherit = "milk.report"

    @api.model
    def test_day(self, farm, day):
        """Each cow that is in milk or dry, with the milk of one of the farm's days.

        The codes are ICAR's (icarTestDayCodeType): `Sick` by a health event of the day or milk that is withheld, `Dry`
        of a dry cow without milk, `SamplingImpossible` of another without any. The milk is that of the farm's day from
        midnight to midnight, which milk recording takes for its 24 hours.
        """
        rows_of = {
            row["animal_id"]: row
            for row in self.env["farm.milk.production"]._milk_by(
                [("farm_id", "=", farm.id), ("date", "=", day)], ["animal_id"]
            )
        }
        animals = self.env["farm.animal"]
        # Sold or dry since, she was milked on that day. sudo: as in the report of a day, she has a name here.
        milked = animals.sudo().browse(rows_of)
        herd = animals.search([("farm_id", "=", farm.id), ("status", "in", ("lactating", "dry"))])
        sick = self._sick(farm, day)
        density = self.env["iot.settings"]._milk_density()
        cows = (milked | herd).sorted(lambda animal: (animal.number_order, animal.id))
        rows = [self._test_day_row(cow, day, rows_of.get(cow.id), cow.id in sick, density) for cow in cows]
        kilograms = [row[6] for row in rows if row[6] is not None]
        return self._report(
            "test_day",
            _("Test Day"),
            farm,
            (day, day),
            facts=[
                (_("Cows"), len(rows), "integer"),
                (_("Cows with milk"), len(kilograms), "integer"),
                (_("Milk (kg)"), sum(kilograms), "kilograms"),
                (_("Density (kg/L)"), density, "density"),
            ],
            tables=[
                {
                    "title": _("Cows"),
                    "columns": [
                        _column(_("Identity Scheme")),
                        _column(_("Identity")),
                        _column(_("Number")),
                        _column(_("Lactation"), "integer"),
                        _column(_("Days in Milk"), "integer"),
                        _column(_("Milkings"), "integer"),
                        _column(_("Milk in 24 Hours (kg)"), "kilograms"),
                        _column(_("Fat (%)"), "percent"),
                        _column(_("Protein (%)"), "percent"),
                        _column(_("Lactose (%)"), "percent"),
                        _column(_("Cells (1000/mL)"), "integer"),
                        _column(_("Code")),
                    ],
                    "rows": rows,
                    "total": None,
                }
            ],
        )

    @api.model
    def _test_day_row(self, cow, day, milk, is_sick, density):
        identity = cow._ade_identifier()
        code = "Sick" if is_sick else None
        if not milk:
            code = code or ("Dry" if cow.status == "dry" else "SamplingImpossible")
        return [
            identity.scheme,
            identity.id,
            cow.name,
            cow.lactation_number or None,
            _days_in_milk(cow, day),
            milk["milkings"] if milk else 0,
            to_kilograms(milk["liters"], density) if milk else None,
            *([milk["fat"], milk["protein"], milk["lactose"]] if milk else [None] * 3),
            round(milk["cells"] / 1000) if milk and milk["cells"] is not None else None,
            code,
        ]

    @api.model
    def _sick(self, farm, day):
        """Ids of the animals that were sick on a day."""
        events = self.env["farm.health.event"].search(
            [("farm_id", "=", farm.id), ("date", "=", day), ("event_type", "in", _SICKNESSES)]
        )
        return {*events.animal_id.ids, *(animal for animal, _day in self._withheld(farm, day, day))}
