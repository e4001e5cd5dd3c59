"""Tags that readers see and nobody wears: where and when, and one click from being an animal's."""

from collections import defaultdict

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from odoo.addons.smart_dairy_farm.tools.rfid import to_decimal

from ..reactors.meter_data import canonical

_UPSERT = """
    INSERT INTO iot_rfid_unknown AS known
           (rfid_tag, tag_decimal, is_tag, farm_id, company_id, first_seen, last_seen, sightings,
            meter_id, milking_point, last_session_id, state, create_date, write_date, create_uid, write_uid)
    VALUES (%(rfid_tag)s, %(tag_decimal)s, %(is_tag)s, %(farm_id)s, %(company_id)s, %(first_seen)s, %(last_seen)s,
            %(sightings)s, %(meter_id)s, %(milking_point)s, %(session_id)s, 'new', %(now)s, %(now)s, %(uid)s, %(uid)s)
        ON CONFLICT (farm_id, rfid_tag) DO UPDATE
       SET first_seen = LEAST(known.first_seen, EXCLUDED.first_seen),
           last_seen = GREATEST(known.last_seen, EXCLUDED.last_seen),
           sightings = known.sightings + EXCLUDED.sightings,
           meter_id = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.meter_id ELSE known.meter_id END,
           milking_point = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.milking_point
                                ELSE known.milking_point END,
           last_session_id = CASE WHEN EXCLUDED.last_seen >= known.last_seen THEN EXCLUDED.last_session_id
                                  ELSE known.last_session_id END,
           -- Assigned, and nobody's again: it was taken off since.
           state = CASE WHEN known.state = 'assigned' AND EXCLUDED.last_seen > known.last_seen THEN 'new'
                        ELSE known.state END,
           animal_id = CASE WHEN known.state = 'assigned' AND EXCLUDED.last_seen > known.last_seen THEN NULL
                            ELSE known.animal_id END,
           write_date = EXCLUDED.write_date
 RETURNING known.id, known.xmax = 0
"""


class IotRfidUnknown(models.Model):
    """One tag that was read on one farm and that no animal wore then."""

    _name = "iot.rfid.unknown"
    _description = "Unknown Tag"
    _inherit = ["iot.platform.word.mixin", "farm.owned.mixin"]
    _order = "last_seen desc, id desc"
    _rec_name = "rfid_tag"
    _rec_names_search = ["rfid_tag", "tag_decimal"]

    rfid_tag = fields.Char(
        string="RFID Tag", required=True, readonly=True, help="As 16 hexadecimal digits; as sent where it is no tag."
    )
    tag_decimal = fields.Char(
        string="Number", readonly=True, help="Country (or manufacturer) and number, as printed on the ear tag."
    )
    is_tag = fields.Boolean(
        string="Is a Tag", readonly=True, help="Not ticked: the reader sent something that is no animal's tag."
    )
    farm_id = fields.Many2one("farm.location", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    first_seen = fields.Datetime(required=True, readonly=True)
    last_seen = fields.Datetime(required=True, readonly=True)
    sightings = fields.Integer(string="Readings", readonly=True, help="How often it was read, in all milkings.")
    meter_id = fields.Many2one("iot.milk_meter", string="Last at Meter", readonly=True, ondelete="set null")
    milking_point = fields.Many2one("iot.milk_meter.point", string="At Point", readonly=True, ondelete="set null")
    last_session_id = fields.Many2one("milk.session", string="Last Milking", readonly=True, ondelete="set null")
    session_count = fields.Integer(
        string="Milkings", compute="_compute_session_count", help="Milkings with this tag that have no animal."
    )
    state = fields.Selection(
        [("new", "New"), ("assigned", "Assigned"), ("ignored", "Ignored")],
        string="Status",
        required=True,
        readonly=True,
        default="new",
        index=True,
    )
    animal_id = fields.Many2one(
        "farm.animal", string="Assigned to", readonly=True, index="btree_not_null", ondelete="set null"
    )

    _sql_constraints = [
        ("once_per_farm", "UNIQUE(farm_id, rfid_tag)", "This tag is in the farm's list already."),
    ]

    @api.depends("tag_decimal", "rfid_tag")
    def _compute_display_name(self):
        """By the number that is printed on the ear tag; what is no tag, as it was sent."""
        for unknown in self:
            unknown.display_name = unknown.tag_decimal or unknown.rfid_tag

    def _compute_session_count(self):
        groups = self.env["milk.session"]._read_group(
            [
                ("farm_id", "in", self.farm_id.ids),
                ("rfid_tag", "in", self.mapped("rfid_tag")),
                ("animal_id", "=", False),
                ("state", "!=", "cancelled"),
            ],
            ["farm_id", "rfid_tag"],
            ["__count"],
        )
        counts = {(farm.id, tag): count for farm, tag, count in groups}
        for unknown in self:
            unknown.session_count = counts.get((unknown.farm_id.id, unknown.rfid_tag), 0)

    # ------------------------------------------------------------------ actions

    def action_assign(self):
        """Ask whose tag it is."""
        self.ensure_one()
        self._check_assignable()
        return {
            "type": "ir.actions.act_window",
            "name": _("Assign Tag"),
            "res_model": "iot.rfid.assign",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_unknown_id": self.id},
        }

    def action_ignore(self):
        """It is nobody's here, such as a visitor's or noise: it leaves the list for good."""
        self._as_platform().filtered(lambda unknown: unknown.state == "new").state = "ignored"

    def action_restore(self):
        """Put it back on the list."""
        self._as_platform().filtered(lambda unknown: unknown.state == "ignored").state = "new"

    def action_view_sessions(self):
        """Open the milkings in which this tag was read."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot_milk.milk_session_action")
        return {**action, "domain": [("rfid_tag", "=", self.rfid_tag), ("farm_id", "=", self.farm_id.id)]}

    # ------------------------------------------------------------------ business

    def _check_assignable(self):
        if not self.is_tag:
            raise UserError(_("%s is no animal's tag: nobody can wear it.", self.rfid_tag))
        if self.state == "assigned":
            raise UserError(
                _(
                    "Tag %(tag)s is assigned to animal %(animal)s already.",
                    tag=self.rfid_tag,
                    animal=self.animal_id.name,
                )
            )

    def _assign(self, animal, is_primary, since):
        """Put the tag on an animal from a moment on; earlier milkings with it become hers.

        :param since: naive UTC
        :return: `milk.session`, those that have an animal now
        """
        self.ensure_one()
        self._check_assignable()
        if animal.company_id != self.company_id:
            raise UserError(_("Animal %s is of another company than the farm of this tag.", animal.name))
        self.env["iot.rfid.service"].register_new_rfid(self.rfid_tag, animal.id, is_primary, since)
        # The other farms of the company that saw it know it now, too.
        seen = self.search([("rfid_tag", "=", self.rfid_tag), ("company_id", "=", self.company_id.id)])
        seen._as_platform().write({"state": "assigned", "animal_id": animal.id})
        return self._sessions_since(since)._identify_anew()

    def _sessions_since(self, since):
        """Milkings of the company with this tag, alone or among others, that have no animal."""
        sessions = self.env["milk.session"].search(
            [
                ("company_id", "=", self.company_id.id),
                ("start_time", ">=", since),
                ("animal_id", "=", False),
                ("state", "!=", "cancelled"),
                "|",
                ("rfid_tag", "=", self.rfid_tag),
                ("identification", "=", "doubtful"),
            ],
            order="start_time, id",
        )
        return sessions.filtered(
            lambda session: session.rfid_tag == self.rfid_tag or self.rfid_tag in (session.tag_reads or {})
        )

    @api.model
    def _record(self, sightings):
        """Note tags that nobody wears, and tell of each new one once.

        :param sightings: list of (`milk.session`, tag in its canonical form or text as sent, how often it was read)
        """
        # The sessions are referred to, and the ORM may still hold them.
        self.env.flush_all()
        by_tag = defaultdict(list)
        for session, tag, count in sightings:
            by_tag[session.farm_id, tag].append((session, count))
        # In one order, so that two transactions do not wait for each other.
        noted = [
            (self._upsert(farm, tag, seen), seen)
            for (farm, tag), seen in sorted(by_tag.items(), key=lambda item: (item[0][0].id, item[0][1]))
        ]
        self.invalidate_model(flush=False)
        for (unknown, is_new), seen in noted:
            if is_new and unknown.is_tag:
                unknown._tell(_latest(seen))

    @api.model
    def _upsert(self, farm, tag, seen):
        """:return: (the record, whether it is new)"""
        last = _latest(seen)
        is_tag = canonical(tag) == tag
        self.env.cr.execute(
            _UPSERT,
            {
                "rfid_tag": tag,
                "tag_decimal": to_decimal(tag) if is_tag else None,
                "is_tag": is_tag,
                "farm_id": farm.id,
                "company_id": farm.company_id.id,
                "first_seen": min(session.start_time for session, _count in seen),
                "last_seen": last.start_time,
                "sightings": sum(count for _session, count in seen),
                "meter_id": last.meter_id.id,
                "milking_point": last.milking_point.id or None,
                "session_id": last.id,
                "now": fields.Datetime.now(),
                "uid": self.env.uid,
            },
        )
        unknown_id, is_new = self.env.cr.fetchone()
        return self.browse(unknown_id), is_new

    def _tell(self, session):
        self.env["iot.event"].with_context(tracking_disable=False).record(
            "tag_unknown",
            timestamp=session.start_time,
            device=session.meter_id.iot_device_id,
            farm=session.farm_id,
            severity="low",
            message=_("No animal wears tag %s, which was read at a milking", self.tag_decimal or self.rfid_tag),
            data={"session": session.name, "rfid_tag": self.rfid_tag},
            dedup_key=f"tag_unknown:{session.farm_id.id}:{self.rfid_tag}",
        )


def _latest(seen):
    session, _count = max(seen, key=lambda sighting: sighting[0].start_time)
    return session
