"""The end of a milking: its production record, what others are told of it, and the time-out of a meter gone silent."""

import logging

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from odoo.addons.smart_dairy_iot.bridge.timestamps import format_timestamp

from ..modbus.registry import POLLER_LOCK
from ..quality import SCC_LIMIT
from ..reactors.meter_data import SILENCE

_logger = logging.getLogger(__name__)

# More than a parlour leaves open at once; the rest is closed a minute later.
_CLOSE_AT_ONCE = 500

#: Databases whose poller was found missing, so that an outage is logged once by this process.
_pollers_missing = set()


class MilkSession(models.Model):
    _inherit = "milk.session"

    # ------------------------------------------------------------------ actions

    def action_complete(self):
        """End a session by hand."""
        for session in self:
            if session.state != "in_progress":
                raise UserError(_("%s is not in progress.", session.name))
        self._complete(fields.Datetime.now())
        self._tell_screens()

    def action_cancel(self):
        """Declare a session void: what its meter still says of it is ignored."""
        for session in self:
            if session.production_id:
                raise UserError(_("%s has a production record: delete that first.", session.name))
        self.state = "cancelled"
        self._tell_screens()

    def action_create_production_record(self):
        """Make the production record of a completed session, once its animal is known.

        :return: `farm.milk.production`
        """
        self.ensure_one()
        if self.production_id:
            raise UserError(_("%s has a production record already.", self.name))
        if self.state != "completed":
            raise UserError(_("%s is not completed.", self.name))
        if not self.animal_id:
            raise UserError(_("%s needs an animal: milk production is recorded per animal.", self.name))
        self._create_production()
        return self.production_id

    def action_view_production(self):
        """Open the production record."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "farm.milk.production",
            "res_id": self.production_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def _tell_screens(self):
        """Open dashboards of the sessions' farms fetch what has changed."""
        for farm in self.farm_id:
            sessions = self.filtered(lambda session, farm=farm: session.farm_id == farm)
            self.env["iot.live"]._changed(farm, "milk", {"session_ids": sessions.ids})

    # ------------------------------------------------------------------ completion

    def _complete(self, end_time):
        """End the sessions at their last message, or at `end_time` (naive UTC) where they have none."""
        for session in self:
            session.write(
                session._completion_vals(
                    {
                        "last_message_at": session.last_message_at or end_time,
                        "start_time": session.start_time,
                        "current_yield": session.current_yield,
                    }
                )
            )
        self._on_completed()

    def _completion_vals(self, values):
        """What a session becomes at its end.

        :param values: dict with `last_message_at`, `start_time` and `current_yield` as they will be
        """
        end = max(values["last_message_at"].replace(microsecond=0), values["start_time"])
        return {"state": "completed", "end_time": end, "total_yield": max(values["current_yield"], self.total_yield)}

    def _on_completed(self):
        """Called once for each session, when it is completed."""
        self._create_production()
        self._record_rejected()
        for session in self:
            session._publish_complete()

    def _on_late_data(self):
        """Called for sessions that changed: what was told of those completed before is put right."""
        completed = self.filtered(lambda session: session.state == "completed")
        for session in completed.filtered("production_id"):
            session.production_id.write(session._measured_vals())
        completed.filtered(lambda session: not session.production_id)._create_production()
        completed._record_rejected()

    def _create_production(self):
        """Record the milk of the sessions that have an animal and milk."""
        productive = self.filtered(lambda session: session.animal_id and session.total_yield > 0)
        # sudo: a meter's records are the milkings' alone to make; whoever completes one was allowed to write it.
        productions = self.env["farm.milk.production"].sudo()
        productions = productions.create([session._production_vals() for session in productive])
        for session, production in zip(productive, productions, strict=True):
            session.production_id = production

    def _production_vals(self):
        return {
            "animal_id": self.animal_id.id,
            "farm_id": self.farm_id.id,
            "source": "iot_meter",
            "source_reference": self.name,
            **self._measured_vals(),
        }

    def _measured_vals(self):
        """What late messages may correct: an earlier one also moves the beginning, and with it the half day."""
        return {
            "date": self.farm_id._local_date(self.start_time),
            "milking_time": self.farm_id._milking_time(self.start_time),
            "quantity": self.total_yield,
            "fat_percentage": self.fat_percentage,
            "protein_percentage": self.protein_percentage,
            "lactose_percentage": self.lactose_percentage,
            "somatic_cell_count": self.somatic_cell_count,
        }

    def _record_rejected(self):
        """Record the event of milk that must not be delivered. Of a meter in maintenance nothing raises an alert."""
        # Sessions are not tracked while messages come in; what others make of the event is.
        events = self.env["iot.event"].with_context(tracking_disable=False)
        for session in self.filtered(lambda session: session.quality_grade == "reject"):
            if session.meter_id.state == "maintenance":
                continue
            events.record(
                "milk_rejected",
                timestamp=session.end_time,
                device=session.meter_id.iot_device_id,
                animal=session.animal_id,
                farm=session.farm_id,
                severity="high",
                message=_(
                    "Milk of %(animal)s graded reject: %(reason)s",
                    animal=session.animal_id.name or _("an unknown animal"),
                    reason=session._reject_reason(),
                ),
                data={
                    "session": session.name,
                    "yield_liters": session.total_yield,
                    "somatic_cell_count": session.somatic_cell_count,
                    "fat_percentage": session.fat_percentage,
                    "protein_percentage": session.protein_percentage,
                    "blood_detected": session.blood_detected,
                },
                dedup_key=f"milk_rejected:{session.name}",
            )

    def _reject_reason(self):
        if self.blood_detected:
            return _("blood")
        if self.somatic_cell_count > SCC_LIMIT:
            return _("somatic cells %s/mL", self.somatic_cell_count)
        return _("fat %(fat)s %%, protein %(protein)s %%", fat=self.fat_percentage, protein=self.protein_percentage)

    def _publish_complete(self):
        """Tell other systems, on the meter's events topic."""
        self.ensure_one()
        # The topic is no secret of a farm, and a session is completed whoever may read topics.
        topic = (
            self.env["iot.topic.hierarchy"]
            .sudo()
            .search(
                [("device_type", "=", "milk_meter"), ("message_type", "=", "events"), ("is_active", "=", True)], limit=1
            )
        )
        if topic and self.session_key:
            # Publishing is the platform's alone; whoever completed the session had the right to.
            self.env["iot.mqtt.service"].sudo().publish(
                topic.generate_topic(self.farm_id.code, self.meter_id.device_id),
                {
                    "event": "session_complete",
                    "session_id": self.session_key,
                    "session": self.name,
                    "meter_id": self.meter_id.device_id,
                    "animal_id": self.animal_id.name or None,
                    "yield_liters": self.total_yield,
                    "duration_seconds": self.duration_seconds,
                    "quality_grade": self.quality_grade or None,
                    "timestamp": format_timestamp(self.end_time),
                },
                qos=int(topic.qos_level),
                retain=topic.retain,
            )

    # ------------------------------------------------------------------ supervision

    @api.model
    def _cron_supervise(self):
        """Once a minute: close sessions whose meter has gone silent, and see that the poller lives. Returns at once."""
        self._close_silent()
        self._check_poller()

    @api.model
    def _close_silent(self):
        """Complete the sessions of which nothing was heard for five minutes, with what is known of them."""
        self.flush_model(["state", "last_received_at"])
        # A session that a message is being put into just now is not silent, and not waited for.
        self.env.cr.execute(
            """
            SELECT id FROM milk_session
             WHERE state = 'in_progress' AND last_received_at < %s
             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [fields.Datetime.now() - SILENCE, _CLOSE_AT_ONCE],
        )
        silent = self.with_context(tracking_disable=True).browse([row[0] for row in self.env.cr.fetchall()])
        silent._complete(fields.Datetime.now())
        silent._tell_screens()

    @api.model
    def _check_poller(self):
        """Warn, once per outage, if there are meters to poll and nobody holds the poller's lock.

        :return: whether a poller lives, or none is needed
        """
        wanted = self.env["iot.milk_meter"].search_count(
            [
                ("polling_enabled", "=", True),
                ("communication_type", "=", "modbus_tcp"),
                ("state", "in", ["active", "maintenance"]),
            ],
            limit=1,
        )
        # Had for the moment of this transaction only where no poller has it; a poller that starts then tries again.
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s)", [POLLER_LOCK])
        missing = bool(wanted) and self.env.cr.fetchone()[0]
        database = self.env.cr.dbname
        if missing and database not in _pollers_missing:
            _pollers_missing.add(database)
            _logger.warning("Modbus milk meters are not polled: no bridge is running for the database %s", database)
        elif not missing and database in _pollers_missing:
            _pollers_missing.discard(database)
            _logger.info("Modbus milk meters are polled again")
        return not missing
