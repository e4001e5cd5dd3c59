"""The udder worklist: cows whose last milking of the last 24 hours was suspect, the most suspect first."""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError

_SHOWN = 5
_RECENT = timedelta(hours=24)


class MilkSession(models.Model):
    _inherit = "milk.session"

    is_on_udder_worklist = fields.Boolean(
        compute="_compute_is_on_udder_worklist",
        search="_search_is_on_udder_worklist",
        help="The cow's last milking, of the last 24 hours, with a score from watch on.",
    )
    udder_trend = fields.Char(
        string="Last Scores",
        compute="_compute_udder_trend",
        help="Scores of the cow's last five milkings, this one last.",
    )
    is_udder_new = fields.Boolean(
        string="New",
        compute="_compute_udder_trend",
        help="None of the cow's four milkings before was suspect, and nobody has looked at her yet.",
    )
    udder_episode_state = fields.Selection(related="mastitis_event_id.state", string="Episode Status")

    def _compute_is_on_udder_worklist(self):
        listed = set(self._udder_worklist_ids())
        for session in self:
            session.is_on_udder_worklist = session.id in listed

    @api.model
    def _search_is_on_udder_worklist(self, operator, value):
        if operator not in ("=", "!=", "in", "not in"):
            raise UserError(_("The udder worklist is searched by yes and no only."))
        values = value if operator in ("in", "not in") else [value]
        listed = any(values) == (operator in ("=", "in"))
        return [("id", "in" if listed else "not in", self._udder_worklist_ids())]

    @api.model
    def _udder_worklist_ids(self):
        """The last judged milking of each cow where that was suspect; whoever asks sees of them what rules allow."""
        self.flush_model(["animal_id", "state", "start_time", "mastitis_level"])
        self.env.cr.execute(
            """
            SELECT last.id
              FROM (
                   SELECT DISTINCT ON (animal_id) id, mastitis_level FROM milk_session
                    WHERE state = 'completed' AND animal_id IS NOT NULL AND mastitis_level IS NOT NULL
                      AND start_time >= %s
                    ORDER BY animal_id, start_time DESC, id DESC
              ) last
             WHERE last.mastitis_level <> 'normal'
            """,
            [fields.Datetime.now() - _RECENT],
        )
        return [row[0] for row in self.env.cr.fetchall()]

    @api.depends("mastitis_score", "mastitis_level", "udder_episode_state")
    def _compute_udder_trend(self):
        self.flush_model(["animal_id", "state", "start_time", "mastitis_level", "mastitis_score"])
        self.env.cr.execute(
            """
            SELECT session.id, earlier.mastitis_score, earlier.mastitis_level
              FROM milk_session session
              JOIN LATERAL (
                   SELECT id, start_time, mastitis_score, mastitis_level FROM milk_session
                    WHERE animal_id = session.animal_id AND state = 'completed' AND mastitis_level IS NOT NULL
                      AND start_time <= session.start_time
                    ORDER BY start_time DESC, id DESC
                    LIMIT %s
              ) earlier ON TRUE
             WHERE session.id = ANY(%s)
             ORDER BY session.id, earlier.start_time, earlier.id
            """,
            [_SHOWN, self.ids],
        )
        rows = {}
        for session_id, score, level in self.env.cr.fetchall():
            rows.setdefault(session_id, []).append((score, level))
        for session in self:
            found = rows.get(session._origin.id, [])
            session.udder_trend = " → ".join(f"{score:.0f}" for score, _found in found) or False
            suspect = session.mastitis_level not in (False, "normal")
            is_seen_to = session.udder_episode_state == "done"
            session.is_udder_new = suspect and not is_seen_to and all(level == "normal" for _found, level in found[:-1])

    def action_udder_looked_at(self):
        """Somebody has looked at the cow: its episode is done with, unless it gets worse."""
        self.mastitis_event_id.action_done()

    def action_udder_treat(self):
        """Open a treatment of the cow."""
        self.ensure_one()
        if self.mastitis_event_id:
            return self.mastitis_event_id.action_treat()
        return self.env["farm.health.event"]._treatment_window(self.animal_id, self.mastitis_reasons)
