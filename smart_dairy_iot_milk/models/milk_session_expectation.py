"""What milk is to be expected of a cow, and what is unusual about a milking."""

from datetime import timedelta
from math import exp
from statistics import median

from odoo import _, api, models
from odoo.tools.misc import formatLang

from ..mastitis.milking import Milking, hours_between
from ..mastitis.norm import log_rates
from ..quality import YIELD_DEVIATION, is_conductivity_abnormal

# A yield is low where it lies so many robust standard deviations below what the curve expects, at two milkings running.
_LOW_SPREADS = 2
_ENOUGH = 5  # milkings whose hours are known, to expect by the hour
# Between these the milk of a milking grows with the hours since the one before.
_SHORTEST_HOURS, _LONGEST_HOURS = 2, 18
_LONGEST_BREAK = timedelta(days=2)


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.depends("expected_yield", "yield_deviation", "conductivity_25")
    def _compute_is_abnormal(self):
        return super()._compute_is_abnormal()

    def _expected_yield(self, earlier):
        """The litres to expect of this milking; 0.0 where nothing is known of the cow.

        By the cow's lactation curve where she has one and the hours since her last milking are known, else by what an
        hour usually brings her, else by her usual milking of the last 30 days.

        :param earlier: her `Milking` of the 30 days before, in order of time
        """
        self.ensure_one()
        counted = [milking for milking in earlier if not milking.withheld and milking.yield_kg]
        hours = hours_between(earlier[-1], Milking(self.start_time)) if earlier else 0
        if _SHORTEST_HOURS <= hours <= _LONGEST_HOURS:
            # sudo: she may have left for a farm that whoever corrects her earlier milking does not see.
            daily = self.animal_id.sudo()._curve_yield(self.farm_id._local_date(self.start_time))
            if daily:
                return daily * hours / 24
            rates = [
                rate
                for milking, rate in zip(earlier, log_rates(earlier), strict=True)
                if rate is not None and not milking.withheld
            ]
            if len(rates) >= _ENOUGH:
                return exp(median(rates)) * hours
        return median(milking.yield_kg for milking in counted) if counted else 0.0

    def _abnormalities(self):
        """What is unusual about this milking for its animal, as a list of texts."""
        self.ensure_one()
        return [*self._unusual_yield(), *self._unusual_conductivity()]

    def _unusual_yield(self):
        if not self.expected_yield:
            return []
        liters = self.expected_yield * (1 + self.yield_deviation / 100)
        spread = self._curve_spread()
        if spread:
            unusual = self._is_low(spread) and self._previous_milking()._is_low(spread)
        else:
            unusual = abs(self.yield_deviation) > 100 * YIELD_DEVIATION
        if not unusual:
            return []
        return [
            _(
                "Yield %(liters)s L, expected %(expected)s L",
                liters=formatLang(self.env, liters, digits=1),
                expected=formatLang(self.env, self.expected_yield, digits=1),
            )
        ]

    def _is_low(self, spread):
        """Whether the yield lies more than two spreads below the expected one.

        :param spread: relative to a day's yield
        """
        if not self.expected_yield:
            return False
        daily = self.animal_id._curve_yield(self.farm_id._local_date(self.start_time)) or self.expected_yield
        # A part of a day varies more, by the square root of how many of it make a day.
        share = min(self.expected_yield / daily, 1.0)
        return self.yield_deviation / 100 < -_LOW_SPREADS * spread / share**0.5

    def _curve_spread(self):
        """Robust standard deviation of her days around the curve, as a share of a day's milk; 0 without a curve."""
        curve = self.animal_id._curve()
        daily = self.animal_id._curve_yield(self.farm_id._local_date(self.start_time)) if curve else 0.0
        return curve.residual_sd / daily if daily else 0.0

    def _previous_milking(self):
        """The cow's completed milking before this one, of the last two days."""
        return self.search(
            [
                ("animal_id", "=", self.animal_id.id),
                ("state", "=", "completed"),
                ("continues_id", "=", False),
                ("start_time", "<", self.start_time),
                ("start_time", ">=", self.start_time - _LONGEST_BREAK),
            ],
            order="start_time desc",
            limit=1,
        )

    def _unusual_conductivity(self):
        conductivity = self.conductivity_25 or self.conductivity
        usual = self.animal_id.conductivity_baseline or self.meter_id.conductivity_baseline
        if not is_conductivity_abnormal(conductivity, usual):
            return []
        value = formatLang(self.env, conductivity, digits=2)
        if not usual:
            return [_("Elevated conductivity: %s mS/cm", value)]
        return [
            _(
                "Elevated conductivity: %(value)s mS/cm, usually %(usual)s",
                value=value,
                usual=formatLang(self.env, usual, digits=2),
            )
        ]
