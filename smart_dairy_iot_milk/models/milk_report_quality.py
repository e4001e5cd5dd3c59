"""The report of a farm's milk quality: day by day, by grade, and the animals whose milk has many cells."""

from collections import defaultdict

from odoo import _, api, models
from odoo.tools import SQL

from ..quality import GRADES
from .milk_dashboard import _local_day
from .milk_report import UNKNOWN, _column, _means, _sum

_MOST_ANIMALS = 50


class MilkReport(models.AbstractModel):
    _inherit = "milk.report"

    @api.model
    def quality(self, farm, since, until):
        """A farm's milk quality from one of its days to another (both are in it)."""
        productions = self.env["farm.milk.production"]
        domain = [("farm_id", "=", farm.id), ("date", ">=", since), ("date", "<=", until)]
        grades, unknown = self._grades_by_day(farm, since, until)
        withheld = self._withheld_liters(farm, since, until)
        days = {row["date"]: row for row in productions._milk_by(domain, ["date"])}
        names = [name for name, _label in GRADES]
        rows = []
        for day in sorted({*days, *grades, *unknown}):
            row = days.get(day)
            rows.append(
                [
                    day,
                    (row["liters"] if row else 0.0) + unknown.get(day, 0.0),
                    *(_means(row) if row else [None] * 4),
                    *[grades[day].get(name, 0.0) for name in (*names, UNKNOWN)],
                    withheld.get(day, 0.0),
                    unknown.get(day, 0.0),
                ]
            )
        (total,) = productions._milk_by(domain)
        first, limits = _means(total), farm._grade_limits()
        facts = [
            (_("Milk (L)"), _sum(rows, 1), "liters"),
            (_("Fat (%)"), first[0], "percent"),
            (_("Protein (%)"), first[1], "percent"),
            (_("Lactose (%)"), first[2], "percent"),
            (_("Cells (1000/mL)"), first[3], "integer"),
            (_("Limit of cells for delivery (1000/mL)"), limits.scc_limit // 1000, "integer"),
        ]
        return self._report(
            "quality",
            _("Milk Quality"),
            farm,
            (since, until),
            facts,
            tables=[
                {
                    "title": _("Days"),
                    "columns": [
                        _column(_("Date"), "date"),
                        _column(_("Milk (L)"), "liters"),
                        *self._mean_columns(),
                        *self._grade_columns(),
                        _column(_("Not Graded (L)"), "liters"),
                        _column(_("Withheld (L)"), "liters"),
                        _column(_("Unknown Animal (L)"), "liters"),
                    ],
                    "rows": rows,
                    "total": [_("All"), _sum(rows, 1), *first, *[_sum(rows, number) for number in range(6, 13)]],
                },
                self._cells_table(domain, limits.scc_healthy),
            ],
            notes=[
                _(
                    "Means are weighted by the milk. Grades are of milkings; their litres also have milk of unknown"
                    " animals, and none of production records that were entered without a milking."
                )
            ],
        )

    @api.model
    def _grade_columns(self):
        labels = dict(self.env["milk.session"]._fields["quality_grade"]._description_selection(self.env))
        return [_column(f"{labels[name]} (L)", "liters") for name, _label in GRADES]

    @api.model
    def _cells_table(self, domain, healthy):
        """The animals with so many cells as no healthy udder has, worst first."""
        found = [
            row
            for row in self.env["farm.milk.production"]._milk_by(domain, ["animal_id"])
            if row["cells"] is not None and row["cells"] >= healthy
        ]
        worst = sorted(found, key=lambda row: (-row["cells"], row["animal_id"]))[:_MOST_ANIMALS]
        # sudo: as in the report of a day, whoever was milked here has a name here.
        animals = self.env["farm.animal"].sudo().browse([row["animal_id"] for row in worst])
        return {
            "title": _("Animals with Many Cells"),
            "columns": [_column(_("Animal")), _column(_("Milk (L)"), "liters"), *self._mean_columns()],
            "rows": [[animal.name, row["liters"], *_means(row)] for animal, row in zip(animals, worst, strict=True)],
            "total": None,
        }

    @api.model
    def _grades_by_day(self, farm, since, until):
        """Litres of completed milkings on the farm's days: ({day: {grade or False: litres}}, {day: of no animal})."""
        sessions = self.env["milk.session"]
        sessions.flush_model()
        query = sessions._search(
            [
                ("farm_id", "=", farm.id),
                ("start_time", ">=", _local_day(since, farm.tz)[0]),
                ("start_time", "<", _local_day(until, farm.tz)[1]),
                ("state", "=", "completed"),
            ]
        )
        start = SQL.identifier(query.table, "start_time")
        selected = query.select(
            SQL("(%s AT TIME ZONE 'UTC' AT TIME ZONE %s)::date", start, farm.tz),
            SQL.identifier(query.table, "quality_grade"),
            SQL("%s IS NULL", SQL.identifier(query.table, "animal_id")),
            SQL("sum(%s)", SQL.identifier(query.table, "total_yield")),
        )
        self.env.cr.execute(SQL("%s GROUP BY 1, 2, 3", selected))
        grades, unknown = defaultdict(lambda: defaultdict(float)), defaultdict(float)
        for day, grade, is_unknown, liters in self.env.cr.fetchall():
            grades[day][grade or UNKNOWN] += float(liters)
            if is_unknown:
                unknown[day] += float(liters)
        return grades, unknown

    @api.model
    def _withheld_liters(self, farm, since, until):
        """{day: litres} of the animals whose milk was not to be delivered."""
        withheld = self._withheld(farm, since, until)
        rows = self.env["farm.milk.production"]._milk_by(
            [
                ("farm_id", "=", farm.id),
                ("date", ">=", since),
                ("date", "<=", until),
                ("animal_id", "in", list({animal for animal, _day in withheld})),
            ],
            ["animal_id", "date"],
        )
        liters = defaultdict(float)
        for row in rows:
            if (row["animal_id"], row["date"]) in withheld:
                liters[row["date"]] += row["liters"]
        return liters
