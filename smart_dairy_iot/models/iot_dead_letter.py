"""Messages that could not be stored, with the reason and every byte, so that a person can look, correct and replay."""

import base64
import contextlib
import json
import re
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..bridge.messages import DEAD_LETTER_REASONS, Message, Refused

# A screen that shows more than that is of no use to anybody; the file has every byte.
_MOST_SHOWN = 64 * 1024
_HEX_WIDTH = 16
# Of these a text has none, and bytes that are no text soon do.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class IotDeadLetter(models.Model):
    _name = "iot.dead.letter"
    _description = "Dead Letter"
    _log_access = False
    _order = "id desc"
    _rec_name = "topic"

    received_at = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now, index=True)
    topic = fields.Char(required=True, readonly=True)
    # The bridge writes the bytes themselves, not Base64 as the ORM would: they are read by SQL.
    payload = fields.Binary(attachment=False, readonly=True)
    payload_text = fields.Text(
        string="Payload (text)",
        compute="_compute_payload_text",
        help="JSON with its fields one below the other, other texts as they are, of everything else the bytes",
    )
    payload_file = fields.Binary(string="Payload (file)", compute="_compute_payload_file")
    payload_filename = fields.Char(compute="_compute_payload_filename")
    reason = fields.Selection(list(DEAD_LETTER_REASONS.items()), required=True, readonly=True, index=True)
    detail = fields.Text(readonly=True)
    advice = fields.Text(string="What to Do", compute="_compute_advice")
    iot_device_id = fields.Many2one("iot.device", string="Device", ondelete="set null", readonly=True, index=True)
    farm_id = fields.Many2one("farm.location", ondelete="set null", readonly=True)
    left_out = fields.Integer(
        string="More Like It",
        compute="_compute_left_out",
        help="Messages from here, of that reason and hour, that were counted and not stored",
    )
    corrected_payload = fields.Text(readonly=True, help="What is replayed instead of what the device sent")
    corrected_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    corrected_at = fields.Datetime(readonly=True)
    state = fields.Selection(
        [("new", "New"), ("replaying", "Being Replayed"), ("replayed", "Replayed"), ("discarded", "Discarded")],
        required=True,
        default="new",
        readonly=True,
        index=True,
    )
    settled_by_id = fields.Many2one("res.users", string="Replayed or Discarded By", readonly=True, ondelete="restrict")
    settled_at = fields.Datetime(string="Replayed or Discarded At", readonly=True)

    def _compute_payload_text(self):
        payloads = self._payloads()
        for letter in self:
            letter.payload_text = _readable(payloads[letter.id])

    def _compute_payload_file(self):
        payloads = self._payloads()
        for letter in self:
            letter.payload_file = base64.b64encode(payloads[letter.id])

    def _compute_payload_filename(self):
        for letter in self:
            letter.payload_filename = f"dead-letter-{letter.id}.bin"

    @api.depends("reason")
    def _compute_advice(self):
        mend_device = _("Mend the registry, then replay.")
        advice = {
            "topic": _("Nothing of ours publishes there. Discard it, or mend the topics and replay."),
            "invalid_json": _("The device sent no JSON. Correct a copy of it, or discard it."),
            "schema": _("Correct a copy of it, or activate a schema that accepts it and replay."),
            "unknown_device": _("Register the device, or take its user from the broker; then replay or discard."),
            "wrong_farm": mend_device,
            "device_mismatch": _("One device spoke for another. Look at its configuration before you correct a copy."),
            "not_allowed": _("Put the device into service, then replay; or discard."),
            "clock": _("Set the device's clock. The time stamp of a copy can be corrected."),
            "database": _("The database refused a value. Correct a copy of it, or discard it."),
        }
        for letter in self:
            letter.advice = advice.get(letter.reason)

    def _compute_left_out(self):
        counts = self.env["iot.dead.letter.count"]
        for letter in self:
            letter.left_out = counts._of(letter).left_out

    def write(self, vals):
        """A user moves a dead letter on; what the device sent stays, or a replay could speak for any device."""
        if not self.env.su and vals.keys() - {"state"}:
            raise AccessError(_("What is in a dead letter cannot be changed."))
        if "state" in vals:
            self._check_may_become(vals["state"])
            vals = {**vals, "settled_by_id": self.env.uid, "settled_at": fields.Datetime.now()}
        return super().write(vals)

    def action_replay(self):
        """Send the messages through the bridge once more, once what was wrong (a device, a schema) is mended."""
        self.write({"state": "replaying"})
        self.env.flush_all()
        self.env.cr.execute("NOTIFY iot_dead_letter")

    def action_discard(self):
        """Nothing more is to be done about these."""
        self.write({"state": "discarded"})

    def action_correct(self):
        """Open a copy of the payload for correction."""
        self.ensure_one()
        self._check_may_become("replaying")
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_dead_letter_correction_action")
        return {**action, "context": {"default_dead_letter_id": self.id}}

    def _check_may_become(self, state):
        if state not in ("replaying", "discarded") or any(letter.state not in ("new", "discarded") for letter in self):
            raise UserError(_("Only dead letters that have not been replayed yet can be replayed or discarded."))

    def _replay_corrected(self, text):
        """Replay a corrected copy of the payload, on the topic of the device that sent the message.

        :param text: the copy, JSON
        :raises UserError: where the bridge would refuse the copy
        """
        self.ensure_one()
        complaint = self._complaint(text)
        if complaint:
            raise UserError(_("The bridge would refuse this too: %s", complaint))
        # Before anything is corrected: here Odoo checks that the user may replay this letter.
        self.action_replay()
        # Nobody writes these fields himself: who corrected it is taken from the session.
        self.sudo().write(
            {
                "corrected_payload": text,
                "corrected_by_id": self.env.uid,
                "corrected_at": fields.Datetime.now(),
            }
        )

    def _complaint(self, text):
        """Why the bridge would refuse a corrected copy, one sentence, or "".

        A copy speaks for the device that sent the message and for no other one, and its device must be one whose farm
        the user sees: it may have moved since.
        """
        device = self.env["iot.device"].with_context(active_test=False).search([("id", "=", self.iot_device_id.id)])
        if not device:
            return _("no registered device that you see sent this message; register it and replay the message first")
        decoder = self.env["iot.topic.hierarchy"]._decoder([device.device_id])
        route = decoder.topics.route(self.topic)
        if route and route.device_id != device.device_id:
            return _("the topic is that of %s, which is another device now", route.device_id)
        result = decoder.decode(Message(self.topic, text.encode(), fields.Datetime.now()))
        return result.detail if isinstance(result, Refused) else ""

    def _payloads(self):
        """{id: bytes} of what the devices sent.

        :raises AccessError: where the user may not read one of the letters
        """
        # Asked for here, since Odoo computes a field by way of another record without asking.
        self.read(["reason"])
        self.env.cr.execute("SELECT id, payload FROM iot_dead_letter WHERE id = ANY(%s)", [self.ids])
        payloads = dict(self.env.cr.fetchall())
        return {letter.id: bytes(payloads.get(letter.id) or b"") for letter in self}

    @api.autovacuum
    def _gc_old(self):
        """Delete what is older than the settings say, settled or not; the bridge has the ones being replayed."""
        oldest = self._oldest_kept()
        self.env.cr.execute("DELETE FROM iot_dead_letter WHERE state <> 'replaying' AND received_at < %s", [oldest])

    @api.model
    def _oldest_kept(self):
        return fields.Datetime.now() - timedelta(days=self.env["iot.settings"]._get_config().dead_letter_retention_days)


def _readable(payload):
    """What a person can read of a payload: JSON one field a line, another text as it is, bytes in hexadecimal."""
    try:
        text = payload.decode()
        if _CONTROL.search(text):
            raise ValueError("no text")
    except ValueError:
        return _hex_dump(payload[: _MOST_SHOWN // 4]) + _left_out(len(payload) - _MOST_SHOWN // 4, _("bytes"))
    # A text that is no JSON, say for its end was lost, is what a correction begins with.
    with contextlib.suppress(ValueError, RecursionError):
        indented = json.dumps(json.loads(text), indent=4, ensure_ascii=False)
        indented.encode()  # JSON can name half a character, which no text can hold
        text = indented
    return text[:_MOST_SHOWN] + _left_out(len(text) - _MOST_SHOWN, _("characters"))


def _hex_dump(payload):
    lines = []
    for start in range(0, len(payload), _HEX_WIDTH):
        row = payload[start : start + _HEX_WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<{3 * _HEX_WIDTH}} {text}")
    return "\n".join(lines)


def _left_out(count, what):
    return "\n" + _("… and %(count)s more %(what)s", count=count, what=what) if count > 0 else ""
