"""The report of a farm's milking equipment: how each meter and milking point milked."""

from odoo import _, api, fields, models
from odoo.tools import SQL

from .milk_dashboard import _local_day
from .milk_report import _column

#: Mean over milkings in which it was measured -> its heading's kind.
_MEANS = ("duration_seconds", "avg_flow_rate", "peak_flow_rate", "vacuum_level", "pulsation_rate")


class MilkReport(models.AbstractModel):
    _inherit = "milk.report"

    @api.model
    def equipment(self, farm, since, until):
        """A farm's meters and their points from one of its days to another (both are in it)."""
        figures = self._figures_by_point(farm, since, until)
        meters = self.env["iot.milk_meter"].with_context(active_test=False)
        meters = meters.search([("farm_id", "=", farm.id)], order="name, id")
        points = {point.id: point for point in meters.milking_point_ids}
        rows = []
        for meter in meters:
            of_meter = [values for values in figures if values["meter"] == meter.id]
            for values in of_meter:
                point = points.get(values["point"])
                rows.append([meter.name, point.name if point else None, *values["row"]])
            if not of_meter and meter.active:
                rows.append([meter.name, None, 0, 0.0, *[None] * (len(_MEANS) + 1), 0, 0])
        milkings, unknown = sum(row[2] for row in rows), sum(row[-2] for row in rows)
        return self._report(
            "equipment",
            _("Milking Equipment"),
            farm,
            (since, until),
            facts=[
                (_("Milkings"), milkings, "integer"),
                (_("Milkings of unknown animals (%)"), 100 * unknown / milkings if milkings else None, "percent"),
            ],
            tables=[
                {
                    "title": _("Milking Points"),
                    "columns": [
                        _column(_("Meter")),
                        _column(_("Point")),
                        _column(_("Milkings"), "integer"),
                        _column(_("Milk (L)"), "liters"),
                        _column(_("Duration (min)"), "decimal"),
                        _column(_("Mean Flow (L/min)"), "flow"),
                        _column(_("Peak Flow (L/min)"), "flow"),
                        _column(_("Vacuum (kPa)"), "decimal"),
                        _column(_("Pulsation (1/min)"), "integer"),
                        _column(_("Kick-offs per 100 Milkings"), "decimal"),
                        _column(_("Animal Unknown"), "integer"),
                        _column(_("Ended by Silence"), "integer"),
                    ],
                    "rows": rows,
                    "total": None,
                },
                self._calibration_table(meters.filtered("active")),
            ],
        )

    @api.model
    def _figures_by_point(self, farm, since, until):
        """[{"meter", "point", "row"}]; a row has the columns after the point. What was not measured is None."""
        sessions = self.env["milk.session"]
        sessions.flush_model()
        query = sessions._search(
            [
                ("farm_id", "=", farm.id),
                ("start_time", ">=", _local_day(since, farm.tz)[0]),
                ("start_time", "<", _local_day(until, farm.tz)[1]),
                ("state", "=", "completed"),
                # What a person entered tells nothing of the machine.
                ("source", "!=", "manual"),
            ]
        )

        def column(name):
            return SQL.identifier(query.table, name)

        means = [SQL("avg(%s) FILTER (WHERE %s > 0)", column(name), column(name)) for name in _MEANS]
        selected = query.select(
            column("meter_id"),
            column("milking_point"),
            SQL("count(*)"),
            SQL("sum(%s)", column("total_yield")),
            *means,
            # Kick-offs are found in the flow curve: without one there are none to count.
            SQL("100.0 * avg(%s) FILTER (WHERE %s IS NOT NULL)", column("kick_off_count"), column("flow_curve")),
            SQL("count(*) FILTER (WHERE %s IS NULL)", column("animal_id")),
            SQL("count(*) FILTER (WHERE %s IS NOT TRUE)", column("ended_by_meter")),
        )
        self.env.cr.execute(SQL("%s GROUP BY 1, 2 ORDER BY 1, 2", selected))
        return [_figures(*row) for row in self.env.cr.fetchall()]

    @api.model
    def _calibration_table(self, meters):
        checks, today = meters._to_check(), fields.Date.context_today(self)
        return {
            "title": _("Meters"),
            "columns": [
                _column(_("Meter")),
                _column(_("Serial Number")),
                _column(_("Last Calibration"), "date"),
                _column(_("Next Calibration"), "date"),
                _column(_("To Check")),
            ],
            "rows": [
                [
                    meter.name,
                    meter.serial_number or None,
                    meter.calibration_date or None,
                    meter.next_calibration_date or None,
                    "; ".join([*self._overdue(meter, today), *checks.get(meter.id, [])]) or None,
                ]
                for meter in meters
            ],
            "total": None,
        }

    @api.model
    def _overdue(self, meter, today):
        due = meter.next_calibration_date
        return [_("calibration is overdue")] if due and due < today else []


def _figures(meter, point, milkings, liters, seconds, *others):
    *means, pulsation, kick_offs, unknown, silent = others
    numbers = [None if value is None else float(value) for value in (*means, pulsation, kick_offs)]
    minutes = None if seconds is None else float(seconds) / 60
    return {"meter": meter, "point": point, "row": [milkings, float(liters), minutes, *numbers, unknown, silent]}
