"""What happened to a device or an animal, recorded once by whoever found it out.

Events are the meeting point of addons that do not know each other: one records what it found, another has rules on it.
"""

import json

from odoo import _, api, fields, models

SEVERITIES = [("low", "Low"), ("medium", "Medium"), ("high", "High"), ("critical", "Critical")]


class IotEvent(models.Model):
    _name = "iot.event"
    _description = "IoT Event"
    _order = "timestamp desc, id desc"
    _rec_name = "kind"
    _rec_names_search = ["message", "iot_device_id", "animal_id"]

    kind = fields.Selection(selection="_kinds", required=True, readonly=True, index=True)
    timestamp = fields.Datetime(required=True, readonly=True, index=True)
    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True, index=True, ondelete="set null")
    animal_id = fields.Many2one("farm.animal", readonly=True, index=True, ondelete="set null")
    farm_id = fields.Many2one("farm.location", readonly=True, index=True, ondelete="restrict")
    severity = fields.Selection(SEVERITIES, required=True, readonly=True, default="low")
    message = fields.Text(readonly=True)
    data = fields.Json(string="Data (JSON)", readonly=True)
    data_text = fields.Text(string="Data", compute="_compute_data_text")
    dedup_key = fields.Char(readonly=True, copy=False, help="A second event with the same key is not recorded.")

    _sql_constraints = [
        ("dedup_key_unique", "UNIQUE(dedup_key)", "This event has been recorded already."),
    ]

    @api.depends("data")
    def _compute_data_text(self):
        for event in self:
            event.data_text = json.dumps(event.data, indent=4, ensure_ascii=False) if event.data else False

    @api.depends("kind", "iot_device_id", "animal_id")
    @api.depends_context("lang")
    def _compute_display_name(self):
        labels = dict(self._kinds())
        for event in self:
            subject = event.iot_device_id.name or event.animal_id.name
            # What an addon of others has recorded stays when that addon is gone.
            label = labels.get(event.kind, event.kind)
            event.display_name = f"{label}: {subject}" if subject else label

    @api.model
    def _kinds(self):
        """What can happen, as pairs of kind and label.

        Those of the whole product are here, whichever of its addons are installed: a rule on a kind may be there before
        the addon that records it. Addons of others add their own.
        """
        return [
            ("device_alert", _("Alert of a device")),
            ("device_error", _("Device in error")),
            ("device_silent", _("Device silent")),
            ("device_back", _("Device heard again")),
            ("crl_not_renewed", _("Revocation list not renewed")),
            ("milk_rejected", _("Milk rejected")),
            ("mastitis_suspected", _("Mastitis suspected")),
            ("tag_unknown", _("Unknown tag")),
            ("milking_doubtful", _("Doubtful milking")),
            ("meter_unreadable", _("Milk meter cannot be read")),
            ("modbus_poller_missing", _("Milk meters are not polled")),
            ("calibration_due", _("Calibration due")),
            ("calibration_passed", _("Calibration passed")),
            ("calibration_failed", _("Calibration failed")),
            ("equipment_fault", _("Milking equipment outside its norm")),
            ("meter_drift", _("Milk meter drifts")),
            ("equipment_checked", _("Milking equipment checked")),
            ("equipment_not_judged", _("Milking equipment not judged")),
        ]

    @api.model
    def record(
        self,
        kind,
        *,
        timestamp,
        device=None,
        animal=None,
        farm=None,
        severity="low",
        message="",
        data=None,
        dedup_key=None,
    ):
        """Record an event, unless one with the same `dedup_key` is there already.

        :param kind: what happened: one of `_kinds`
        :param timestamp: when, naive UTC
        :param device: `iot.device`, if one
        :param animal: `farm.animal`, if one
        :param farm: `farm.location`, by default the device's or the animal's
        :param severity: low, medium, high or critical
        :param message: one sentence for the people of the farm, which says what: the device and the animal are named
            beside it
        :param data: dict of JSON values
        :param dedup_key: identifies the happening, so that a handler that runs twice records it once
        :returns: the event, the earlier one if there was one
        :raises ValueError: a kind that there is not
        """
        # Odoo 19 takes any text where a field's choices come from a method.
        if kind not in dict(self._kinds()):
            raise ValueError(f"No kind of event: {kind!r}")
        if dedup_key:
            known = self.search([("dedup_key", "=", dedup_key)], limit=1)
            if known:
                return known
        farm = farm or (device and device.farm_id) or (animal and animal.farm_id)
        event = self.create(
            {
                "kind": kind,
                "timestamp": timestamp,
                "iot_device_id": device.id if device else False,
                "animal_id": animal.id if animal else False,
                "farm_id": farm.id if farm else False,
                "severity": severity,
                "message": message,
                "data": data or False,
                "dedup_key": dedup_key,
            }
        )
        event._on_recorded()
        return event

    def _on_recorded(self):
        """Called once for each new event; addons that act on events extend it."""
        self.ensure_one()
