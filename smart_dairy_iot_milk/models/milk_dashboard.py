"""What the milk production dashboard shows of one farm: a few grouped queries with the user's own rights."""

from datetime import datetime, time, timedelta

import pytz

from odoo import api, fields, models

RUNNING_LIMIT = 100
RECENT_LIMIT = 10
ALERT_LIMIT = 5

GRADES = ("A", "B", "C", "reject")

#: Milkings whose animal is to be found out: those that the list of milkings to assign shows.
TO_ASSIGN = [
    ("state", "=", "completed"),
    ("animal_id", "=", False),
    ("left_unknown", "=", False),
    ("total_yield", ">", 0),
]


def _local_day(date, tz_name):
    """Return the first moment of ``date`` in a time zone, and of the day after, as naive UTC datetimes."""
    tz = pytz.timezone(tz_name or "UTC")
    midnights = (datetime.combine(day, time.min) for day in (date, date + timedelta(days=1)))
    return tuple(tz.localize(midnight).astimezone(pytz.utc).replace(tzinfo=None) for midnight in midnights)


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.model
    def get_dashboard_data(self, farm_id=False):
        """Return today's milk production of a farm, as far as the user may see it.

        "Today" is the farm's own day, in its time zone. All datetimes are naive UTC, yields in litres, conductivity
        in mS/cm, flow in L/min.

        :param farm_id: the farm's id; when it is empty or not the user's to see, the first farm with a milk meter
        :return: dict with ``date``, ``farms``, ``farm_id`` (False without any farm), ``summary``,
            ``active_sessions``, ``recent_sessions`` (completed, latest first), ``to_assign_count`` (completed, of
            whatever day, whose animal nobody knows yet), ``udder_count`` (cows on the udder worklist),
            ``quality_breakdown``, ``hourly`` (24 entries by the hour in which a milking began) and ``alerts`` (latest
            first)
        """
        farms = self.env["farm.location"].search([])
        farm = farms.filtered(lambda each: each.id == farm_id) or self._dashboard_default_farm(farms)
        return {
            "farms": [{"id": each.id, "name": each.name, "code": each.code, "tz": each.tz or "UTC"} for each in farms],
            "farm_id": farm.id,
            **self._dashboard_production(farm, fields.Datetime.now()),
            "active_sessions": self._dashboard_active_sessions(farm, fields.Datetime.now()),
            "recent_sessions": self._dashboard_recent_sessions(farm),
            "to_assign_count": self.search_count([*TO_ASSIGN, ("farm_id", "=", farm.id)]),
            "udder_count": self.search_count([("is_on_udder_worklist", "=", True), ("farm_id", "=", farm.id)]),
            "alerts": self._dashboard_alerts(farm),
        }

    @api.model
    def _dashboard_default_farm(self, farms):
        """Return the first farm on which there is something to see, else the first."""
        meters = self.env["iot.milk_meter"].search([("farm_id", "in", farms.ids)], order="farm_id, id", limit=1)
        return meters.farm_id or farms[:1]

    @api.model
    def _dashboard_production(self, farm, now):
        """Return ``date``, ``summary``, ``quality_breakdown`` and ``hourly`` of the farm's day that ``now`` is in.

        The yield counts what running milkings have given so far; the number of sessions and their average, and the
        grades, are of completed ones.
        """
        today = farm._local_date(now) if farm else now.date()
        start, end = _local_day(today, farm.tz)
        groups = self.with_context(tz=farm.tz or "UTC")._read_group(
            [
                ("farm_id", "=", farm.id),
                ("start_time", ">=", start),
                ("start_time", "<", end),
                ("state", "!=", "cancelled"),
            ],
            ["state", "quality_grade", "start_time:hour"],
            ["__count", "total_yield:sum", "current_yield:sum"],
        )
        completed = running_yield = completed_yield = 0
        grades = dict.fromkeys((*GRADES, "none"), 0)
        hourly = [0.0] * 24
        for state, grade, hour, count, total_yield, current_yield in groups:
            if state == "completed":
                completed += count
                completed_yield += total_yield
                grades[grade or "none"] += count
                hourly[hour.hour] += total_yield
            else:
                running_yield += current_yield
                hourly[hour.hour] += current_yield
        return {
            "date": fields.Date.to_string(today),
            "summary": {
                "total_yield": completed_yield + running_yield,
                "running_yield": running_yield,
                "session_count": completed,
                "active_count": self.search_count([("farm_id", "=", farm.id), ("state", "=", "in_progress")]),
                "avg_yield": completed_yield / completed if completed else 0.0,
                "meter_count": self.env["iot.milk_meter"].search_count([("farm_id", "=", farm.id)]),
            },
            "quality_breakdown": grades,
            "hourly": [{"hour": hour, "yield": quantity} for hour, quantity in enumerate(hourly)],
        }

    @api.model
    def _dashboard_active_sessions(self, farm, now):
        """Return the farm's running milkings, the earliest first; ``duration_seconds`` up to ``now``."""
        sessions = self.search(
            [("farm_id", "=", farm.id), ("state", "=", "in_progress")], order="start_time, id", limit=RUNNING_LIMIT
        )
        # sudo: a milking the user may see says who was milked where, though cow or meter have moved to a closed farm.
        return [
            {
                "id": session.id,
                "name": session.name,
                "meter": session.meter_id.display_name,
                "milking_point": session.milking_point.point_number,
                "animal": session.animal_id.display_name,
                "rfid_tag": session.rfid_tag,
                "current_yield": session.current_yield,
                "current_flow_rate": session.current_flow_rate,
                "conductivity": session.conductivity,
                "start_time": fields.Datetime.to_string(session.start_time),
                "duration_seconds": max(0, int((now - session.start_time).total_seconds())),
            }
            for session in sessions.sudo()
        ]

    @api.model
    def _dashboard_recent_sessions(self, farm):
        """Return the farm's completed milkings that ended last, of whatever day."""
        sessions = self.search(
            [("farm_id", "=", farm.id), ("state", "=", "completed"), ("end_time", "!=", False)],
            order="end_time desc, id desc",
            limit=RECENT_LIMIT,
        )
        # sudo: as for running ones, the names of cow and meter belong to the milking.
        return [
            {
                "id": session.id,
                "name": session.name,
                "meter": session.meter_id.display_name,
                "animal": session.animal_id.display_name,
                "rfid_tag": session.rfid_tag,
                "total_yield": session.total_yield,
                "quality_grade": session.quality_grade,
                "conductivity": session.conductivity,
                "is_abnormal": session.is_abnormal,
                "abnormality_reason": session.abnormality_reason,
                "mastitis_level": session.mastitis_level,
                "start_time": fields.Datetime.to_string(session.start_time),
                "end_time": fields.Datetime.to_string(session.end_time),
            }
            for session in sessions.sudo()
        ]

    @api.model
    def _dashboard_alerts(self, farm):
        """Return the farm's alerts that nobody has acknowledged, of whatever kind of device."""
        alerts = self.env["iot.alert"].search(
            [("farm_id", "=", farm.id), ("state", "=", "active")], order="occurred_at desc, id desc", limit=ALERT_LIMIT
        )
        return [
            {
                "id": alert.id,
                "name": alert.name,
                "severity": alert.severity,
                "message": alert.message,
                "occurred_at": fields.Datetime.to_string(alert.occurred_at),
            }
            for alert in alerts
        ]
