"""Milk of many milkings in one query: sums, and means by the milk that was measured."""

from odoo import api, models
from odoo.tools import SQL

#: Value that a milking is measured by -> the name of its mean in what `_milk_by` returns.
_MEASURED = {
    "fat_percentage": "fat",
    "protein_percentage": "protein",
    "lactose_percentage": "lactose",
    "somatic_cell_count": "cells",
}
_COLUMNS = ("farm_id", "animal_id", "date", "milking_time")
_PERIODS = ("day", "week", "month", "year")


class FarmMilkProduction(models.Model):
    _inherit = "farm.milk.production"

    @api.model
    def _milk_by(self, domain, columns=(), period=None):
        """The milk of the records that the user may see, for each combination of values of some columns.

        Means are weighted by the milk: what the mixed milk of these milkings is like. They are None where nothing was
        measured, for 0 stands for that in a record.

        :param columns: of `farm_id`, `animal_id`, `date`, `milking_time`
        :param period: one of day, week, month or year: its first day is the last column, named `period`
        :return: list of dict: the columns, `liters`, `milkings`, `fat`, `protein` and `lactose` in per cent, and
            `cells` per mL
        """
        if not set(columns) <= set(_COLUMNS) or period not in (None, *_PERIODS):
            raise ValueError(f"{columns} by {period}")
        self.flush_model()
        query = self._search(domain)
        groups = [SQL.identifier(query.table, column) for column in columns]
        names = list(columns)
        if period:
            groups.append(SQL("date_trunc(%s, %s)::date", period, SQL.identifier(query.table, "date")))
            names.append("period")
        quantity = SQL.identifier(query.table, "quantity")
        means = [_mean(SQL.identifier(query.table, measured), quantity) for measured in _MEASURED]
        selected = query.select(*groups, SQL("COALESCE(sum(%s), 0)", quantity), SQL("count(*)"), *means)
        if groups:
            # By their places: an expression with a parameter is not known again.
            places = SQL(", ").join([SQL(str(number + 1)) for number in range(len(groups))])
            selected = SQL("%s GROUP BY %s ORDER BY %s", selected, places, places)
        self.env.cr.execute(selected)
        names += ["liters", "milkings", *_MEASURED.values()]
        return [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in self.env.cr.fetchall()]


def _mean(measured, quantity):
    milk = SQL("sum(%s) FILTER (WHERE %s > 0)", quantity, measured)
    return SQL("sum(%s * %s) FILTER (WHERE %s > 0) / NULLIF(%s, 0)", measured, quantity, measured, milk)


def _plain(value):
    """PostgreSQL's numeric as a float."""
    return float(value) if type(value).__name__ == "Decimal" else value
