"""By what a farm judges udders, and what is usual in its herd."""

from datetime import datetime, time, timezone

import pytz

from odoo import fields, models, tools

from ..mastitis import DEFAULT, Settings, herd_norm
from ..mastitis.norm import WINDOW


class FarmLocation(models.Model):
    _inherit = "farm.location"

    mastitis_watch = fields.Float(
        string="Watch from Score",
        digits=(5, 1),
        default=DEFAULT.watch,
        help="At 50 some 4 of 100 milkings of healthy cows are on the udder worklist. No alert is raised.",
    )
    mastitis_warning = fields.Float(
        string="Warning from Score",
        digits=(5, 1),
        default=DEFAULT.warning,
        help="An episode and an alert. At 65 about 1 of 100 milkings of healthy cows gets there.",
    )
    mastitis_critical = fields.Float(
        string="Critical from Score", digits=(5, 1), default=DEFAULT.critical, help="A critical alert."
    )
    conductivity_per_degree = fields.Float(
        string="Conductivity per °C",
        digits=(5, 4),
        default=0.02,
        help="By what share milk conducts more with each degree. It is used for meters that report conductivity at the "
        "milk's temperature. 0.02 is a usual figure that we could not confirm for your meters: ask their maker.",
    )

    _sql_constraints = [
        (
            "mastitis_levels_ordered",
            (
                "CHECK(0 < mastitis_watch AND mastitis_watch <= mastitis_warning "
                "AND mastitis_warning <= mastitis_critical AND mastitis_critical <= 100)"
            ),
            "The scores of watch, warning and critical rise, and lie between 0 and 100.",
        ),
        (
            "conductivity_per_degree_range",
            "CHECK(conductivity_per_degree BETWEEN 0 AND 0.1)",
            "Conductivity rises by 0 to 0.1 of itself with each degree.",
        ),
    ]

    def _mastitis_settings(self):
        """The `Settings` of this farm."""
        self.ensure_one()
        return Settings(self.mastitis_watch, self.mastitis_warning, self.mastitis_critical)

    def _herd_norm(self, moment):
        """What is usual in this herd, from the milkings of the 14 days before the farm's day of a moment.

        :param moment: naive UTC
        :return: `HerdNorm`, the same for all milkings of a day
        """
        self.ensure_one()
        midnight = datetime.combine(self._local_date(moment), time())
        day = pytz.timezone(self.tz).localize(midnight).astimezone(timezone.utc).replace(tzinfo=None)
        return self._herd_norm_of(day)

    # Kept by each process: stored on the farm, it would be written while somebody edits the farm.
    @tools.ormcache("self.id", "day")
    def _herd_norm_of(self, day):
        rows = self.env["milk.session"]._udder_milkings(
            "session.farm_id = %s AND session.start_time >= %s AND session.start_time < %s",
            [self.id, day - WINDOW, day],
        )
        return herd_norm(((row.animal_id, row.milking) for row in rows), day)
