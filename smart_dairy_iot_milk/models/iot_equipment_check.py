"""The list of milking points whose machine or meter is to be checked, and why.

Once a day the milkings of the last week are held against the farm's norms, and those of the last fortnight tell whether
a meter drifts from the others. A point with a problem is on the list until somebody has seen to it; what was milked
before that is not held against it again.
"""

import logging
from collections import defaultdict
from datetime import timedelta

from psycopg2 import OperationalError

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..equipment import Milking, drifts, point_figures

_logger = logging.getLogger(__name__)

NORM_SPAN = timedelta(days=7)
DRIFT_SPAN = timedelta(days=14)
#: Events of problems of the machine; a drift has its own.
_FAULTS = ("vacuum", "pulsation_rate", "pulsation_ratio", "kick_offs", "slow")


class IotEquipmentCheck(models.Model):
    _name = "iot.equipment.check"
    _description = "Milking Point to Check"
    _inherit = ["mail.thread", "iot.platform.word.mixin", "farm.owned.mixin"]
    _order = "state desc, found_at desc, id desc"
    _rec_names_search = ["meter_id", "problems"]
    _owner_fields = frozenset({"company_id", "farm_id", "meter_id"})

    meter_id = fields.Many2one("iot.milk_meter", string="Milk Meter", required=True, readonly=True, ondelete="cascade")
    milking_point = fields.Many2one("iot.milk_meter.point", readonly=True, index=True, ondelete="cascade")
    farm_id = fields.Many2one("farm.location", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    state = fields.Selection(
        [("open", "To Check"), ("done", "Done")],
        string="Status",
        required=True,
        readonly=True,
        default="open",
        index=True,
        tracking=True,
    )
    found_at = fields.Datetime(string="Found", required=True, readonly=True)
    judged_at = fields.Datetime(string="Last Judged", required=True, readonly=True)
    period_start = fields.Datetime(readonly=True)
    problem_kinds = fields.Json(readonly=True, help="What was found, sorted: each is told once.")
    problems = fields.Text(readonly=True)
    milking_count = fields.Integer(string="Milkings", readonly=True)
    cow_count = fields.Integer(string="Cows", readonly=True)
    outside_percent = fields.Float(
        string="Outside of a Norm (%)", digits=(5, 1), readonly=True, group_operator="avg", help="Of the milkings."
    )
    vacuum_mean = fields.Float(
        string="Mean Vacuum (kPa)", digits=(5, 2), readonly=True, group_operator="avg", help="0: not measured."
    )
    pulsation_mean = fields.Float(
        string="Mean Pulsation (1/min)", digits=(5, 1), readonly=True, group_operator="avg", help="0: not measured."
    )
    kick_off_count = fields.Integer(string="Kick-offs", readonly=True)
    drift_known = fields.Boolean(readonly=True, help="There were cows and milkings enough to tell.")
    drift_percent = fields.Float(
        string="Shows Too Much (%)",
        digits=(6, 2),
        readonly=True,
        group_operator="avg",
        help="Against the same cows at the other points; less than 0: it shows too little.",
    )
    drift_error = fields.Float(string="Standard Error (%)", digits=(6, 2), readonly=True, group_operator="avg")
    done_by_id = fields.Many2one("res.users", readonly=True)
    done_at = fields.Datetime(readonly=True)
    notes = fields.Text()

    @api.depends("meter_id.name", "milking_point.name", "meter_id.milking_point_count")
    def _compute_display_name(self):
        for check in self:
            names = {"meter": check.meter_id.name, "point": check.milking_point.name}
            check.display_name = _("%(meter)s, point %(point)s", **names) if check._is_of_several() else names["meter"]

    def init(self):
        """A point is on the list once; an expression knows points that the meter does not name."""
        result = super().init()
        self.env.cr.execute(
            "CREATE UNIQUE INDEX IF NOT EXISTS iot_equipment_check_one_open ON iot_equipment_check"
            " (meter_id, coalesce(milking_point, 0)) WHERE state = 'open'"
        )
        return result

    # ------------------------------------------------------------------ actions

    def action_done(self):
        """Say that somebody has seen to it: what is milked from now on is judged anew."""
        if any(check.state == "done" for check in self):
            raise UserError(_("This has been seen to already."))
        now = fields.Datetime.now()
        self._as_platform().write({"state": "done", "done_by_id": self.env.uid, "done_at": now})
        for meter in self.meter_id:
            if not meter._open_checks():
                self.env["iot.event"].record(
                    "equipment_checked",
                    timestamp=now,
                    device=meter.iot_device_id,
                    farm=meter.farm_id,
                    data={"meter": meter.device_id},
                    message=_("Seen to by %s.", self.env.user.name),
                )

    # ------------------------------------------------------------------ once a day

    @api.model
    def _cron_check_equipment(self):
        """Judge every farm's points."""
        if not self.env.su:
            raise AccessError(_("Only the platform itself judges its equipment."))
        self._check_farms(fields.Datetime.now())

    @api.model
    def _check_farms(self, now):
        """Judge every farm's points. What goes wrong with one farm is told there, and the others have their turn.

        :param now: naive UTC
        """
        for farm in self.env["farm.location"].search([]):
            try:
                with self.env.cr.savepoint():
                    self._check_farm(farm, now)
            except OperationalError:
                # Another transaction was in the way, or the database is: that is no matter of the farm.
                raise
            except Exception:
                _logger.exception("The milking points of the farm %s could not be judged", farm.code)
                self._record_not_judged(farm, now)

    @api.model
    def _record_not_judged(self, farm, now):
        """Record, once a day, that nobody looks at the farm's equipment; why is in the log, for those who see to it."""
        self.env["iot.event"].record(
            "equipment_not_judged",
            timestamp=now.replace(microsecond=0),
            farm=farm,
            severity="high",
            message=_("The milking points could not be judged: the server's log says why."),
            dedup_key=f"equipment_not_judged:{farm.id}:{now:%Y%m%d}",
        )

    @api.model
    def _check_farm(self, farm, now):
        """Bring the farm's list up to date.

        :param now: naive UTC
        """
        milkings = self._milkings(farm, now - DRIFT_SPAN, now)
        recent = [milking for moment, milking in milkings if moment >= now - NORM_SPAN]
        figures = point_figures(recent, farm._equipment_norms())
        drift = drifts(milking for _moment, milking in milkings)
        meters = self.env["iot.milk_meter"].browse({meter_id for meter_id, _point in drift | figures}).exists()
        # Of whatever farm: a point that has moved since is on the list once all the same.
        open_checks = {
            (check.meter_id.id, check.milking_point.id): check
            for check in self.search([("meter_id", "in", meters.ids), ("state", "=", "open")])
        }
        here = meters.filtered(lambda meter: meter.farm_id == farm)
        working = set(here.filtered(lambda meter: meter.state not in ("maintenance", "decommissioned")).ids)
        for point in sorted(figures, key=lambda point: (point[0], point[1] or 0)):
            texts = self._problem_texts(figures[point], drift.get(point), farm)
            check = open_checks.get(point, self.browse())
            if point[0] in working and (texts or check):
                check._keep(point, farm, now, texts, self._figure_vals(figures[point], drift.get(point)))

    @api.model
    def _milkings(self, farm, since, until):
        """The farm's completed milkings that count, as pairs of start and `Milking`, whose point is (meter, point)."""
        self.env["milk.session"].flush_model()
        self.flush_model(["state", "done_at"])
        # What was milked before somebody saw to a point says nothing of what it is like since.
        self.env.cr.execute(
            SQL(
                """
                SELECT session.start_time, session.meter_id, session.milking_point, session.animal_id,
                       session.total_yield, session.vacuum_level, session.pulsation_rate, session.pulsation_ratio,
                       session.kick_off_count, session.avg_flow_rate
                  FROM milk_session session
                 WHERE session.farm_id = %s AND session.state = 'completed'
                   AND session.start_time >= %s AND session.start_time < %s
                   AND session.start_time >= coalesce(
                       (SELECT max(done.done_at) FROM iot_equipment_check done
                         WHERE done.meter_id = session.meter_id
                           AND done.milking_point IS NOT DISTINCT FROM session.milking_point), '-infinity')
                 ORDER BY session.start_time, session.id
                """,
                farm.id,
                since,
                until,
            )
        )
        return [
            (
                start,
                Milking(
                    point=(meter_id, point_id or False),
                    cow=animal_id,
                    half=farm._milking_time(start),
                    liters=float(liters or 0),
                    vacuum=float(vacuum or 0),
                    pulsation_rate=rate or 0,
                    pulsation_ratio=float(ratio or 0),
                    kick_offs=kick_offs or 0,
                    mean_flow=float(flow or 0),
                ),
            )
            for start, meter_id, point_id, animal_id, liters, vacuum, rate, ratio, kick_offs, flow in (
                self.env.cr.fetchall()
            )
        ]

    @api.model
    def _problem_texts(self, figures, drift, farm):
        """dict kind of problem -> sentence, of `PointFigures` and `Drift`."""
        names = {
            "vacuum": _("the vacuum was outside of its norm"),
            "pulsation_rate": _("the pulsation was outside of its norm"),
            "pulsation_ratio": _("the pulsation ratio was outside of its norm"),
            "kick_offs": _("the cluster was kicked off more than %s times", farm.kick_offs_most),
            "slow": _("the cow was milked far slower than usual"),
        }
        texts = {
            kind: _(
                "In %(share)s %% of %(count)s milkings of a week %(what)s.",
                share=round(100 * share),
                count=figures.milkings,
                what=names[kind],
            )
            for kind, share in figures.to_check.items()
        }
        if drift and drift.drifts:
            texts["drift"] = _(
                "Shows %(ratio)s %% against the other points (standard error %(error)s), by %(count)s milkings of "
                "%(cows)s cows.",
                ratio=f"{100 * drift.ratio:+.1f}",
                error=f"{100 * drift.error:.1f}",
                count=drift.milkings,
                cows=drift.cows,
            )
        return texts

    @api.model
    def _figure_vals(self, figures, drift):
        known = bool(drift and drift.is_known)
        return {
            "milking_count": figures.milkings,
            "cow_count": len(figures.cows),
            "outside_percent": 100 * figures.outside_share,
            "vacuum_mean": figures.vacuum or 0.0,
            "pulsation_mean": figures.pulsation_rate or 0.0,
            "kick_off_count": figures.kick_offs,
            "drift_known": known,
            "drift_percent": 100 * drift.ratio if known else 0.0,
            "drift_error": 100 * drift.error if known else 0.0,
        }

    def _keep(self, point, farm, now, texts, figure_vals):
        """Write what was found of a point into its place on the list (empty: a new one), and tell what is new."""
        now = now.replace(microsecond=0)
        before = set(self.problem_kinds or [])
        vals = {
            **figure_vals,
            "farm_id": farm.id,
            "judged_at": now,
            "period_start": now - NORM_SPAN,
            "problem_kinds": sorted(before | texts.keys()),
        }
        if texts:
            vals["problems"] = "\n".join(texts.values())
        check = self
        if check:
            check.write(vals)
        else:
            meter_id, point_id = point
            check = self.create({**vals, "meter_id": meter_id, "milking_point": point_id, "found_at": now})
        for kind in sorted(texts.keys() - before):
            check._tell(kind, texts[kind], now)

    def _tell(self, kind, text, now):
        """Record the event of a problem, once as long as the point is on the list."""
        self.ensure_one()
        meter = self.meter_id
        if self._is_of_several():
            text = _("Point %(point)s: %(text)s", point=self.milking_point.name, text=text)
        self.env["iot.event"].record(
            "equipment_fault" if kind in _FAULTS else "meter_drift",
            timestamp=now,
            device=meter.iot_device_id,
            farm=self.farm_id,
            severity="high" if kind == "vacuum" and self._is_outside(self.vacuum_mean) else "medium",
            message=text,
            data={
                "meter": meter.device_id,
                "point": self.milking_point.point_number if self.milking_point else None,
                "problem": kind,
                "milkings": self.milking_count,
                "outside_percent": self.outside_percent,
                "drift_percent": self.drift_percent if self.drift_known else None,
            },
            dedup_key=f"equipment:{self.id}:{kind}",
        )

    def _is_of_several(self):
        """Whether it has to be said which of the meter's points it is."""
        return self.milking_point and self.meter_id.milking_point_count > 1

    def _is_outside(self, vacuum):
        """Whether the point's mean vacuum itself is outside of the norm: no matter of single milkings."""
        return bool(vacuum) and not self.farm_id.vacuum_least <= vacuum <= self.farm_id.vacuum_most


class IotMilkMeter(models.Model):
    _inherit = "iot.milk_meter"

    equipment_check_ids = fields.One2many("iot.equipment.check", "meter_id", string="Equipment Checks")
    open_check_count = fields.Integer(compute="_compute_open_check_count", string="To Check")

    @api.depends("equipment_check_ids.state")
    def _compute_open_check_count(self):
        counts = defaultdict(int)
        groups = self.env["iot.equipment.check"]._read_group(
            [("meter_id", "in", self.ids), ("state", "=", "open")], ["meter_id"], ["__count"]
        )
        counts.update({meter.id: count for meter, count in groups})
        for meter in self:
            meter.open_check_count = counts[meter._origin.id]

    def _open_checks(self):
        return self.env["iot.equipment.check"].search([("meter_id", "in", self.ids), ("state", "=", "open")])

    def _to_check(self):
        """What is to be checked: dict id of the meter -> list of sentences; meters that are fine are not in it."""
        sentences = defaultdict(list)
        for check in self._open_checks():
            for text in (check.problems or "").splitlines():
                several = check._is_of_several()
                sentences[check.meter_id.id].append(f"{check.milking_point.name}: {text}" if several else text)
        return dict(sentences)

    def action_view_checks(self):
        """Open what is, and was, to be checked of the meter."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot_milk.iot_equipment_check_action")
        return {**action, "domain": [("meter_id", "=", self.id)], "context": {}}
