"""Which events raise an alert, and which end it."""

import string

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.smart_dairy_iot.models.iot_event import SEVERITIES

PLACEHOLDERS = ("device", "animal", "farm", "message")


class IotAlertRule(models.Model):
    _name = "iot.alert.rule"
    _description = "Alert Rule"
    _order = "name, id"

    name = fields.Char(required=True, translate=True, help="Also the title of the alerts.")
    active = fields.Boolean(default=True)
    event_kind = fields.Selection(
        selection=lambda self: self.env["iot.event"]._kinds(),
        required=True,
        index=True,
        help="The kind of event that raises the alert.",
    )
    severity = fields.Selection(SEVERITIES, required=True, default="medium")
    severity_from_event = fields.Boolean(
        string="Severity of the Event",
        help="The alert is as severe as its event, and becomes more so with a later event of the same animal, or of "
        "the same device where it is about none.",
    )
    alert_type = fields.Char(required=True, help="The type that the alerts get, to group and filter them by.")
    message_template = fields.Text(
        required=True,
        translate=True,
        default="{message}",
        help="Placeholders: {device} and {farm} by their names, {animal} as in 'cow 6', and {message}, the event's own "
        "text, which says what happened.",
    )
    resolve_on_kind = fields.Selection(
        selection=lambda self: self.env["iot.event"]._kinds(),
        string="Resolved by Event",
        help="The kind of event, of the same device and animal, that resolves the alert. Empty: a person does.",
    )
    farm_ids = fields.Many2many("farm.location", string="Farms", help="Empty: every farm.")
    alert_ids = fields.One2many("iot.alert", "rule_id", string="Alerts")
    open_alert_count = fields.Integer(compute="_compute_open_alert_count")

    @api.constrains("message_template")
    def _check_message_template(self):
        """Plain placeholders only: an attribute of one would reach into the program, and a format fit no text."""
        for rule in self:
            try:
                names = [_as_written(*found) for found in string.Formatter().parse(rule.message_template)]
            except ValueError as error:
                raise ValidationError(_("The message template cannot be read: %s", error)) from error
            unknown = [name for name in names if name is not None and name not in PLACEHOLDERS]
            if unknown:
                raise ValidationError(
                    _(
                        "{%(unknown)s} is no placeholder; known are %(known)s.",
                        unknown=unknown[0],
                        known=", ".join(f"{{{name}}}" for name in PLACEHOLDERS),
                    )
                )

    @api.constrains("event_kind", "resolve_on_kind")
    def _check_kinds(self):
        kinds = dict(self.env["iot.event"]._kinds())
        for rule in self:
            # Odoo 19 takes any text where a field's choices come from a method.
            if rule.event_kind not in kinds or (rule.resolve_on_kind and rule.resolve_on_kind not in kinds):
                raise ValidationError(_("A rule is about kinds of events that there are."))
            if rule.resolve_on_kind == rule.event_kind:
                raise ValidationError(_("The event that raises an alert cannot be the one that resolves it."))

    @api.depends("alert_ids.state")
    def _compute_open_alert_count(self):
        open_alerts = [("rule_id", "in", self.ids), ("state", "!=", "resolved")]
        counts = dict(self.env["iot.alert"]._read_group(open_alerts, ["rule_id"], ["__count"]))
        for rule in self:
            rule.open_alert_count = counts.get(rule, 0)

    @api.model
    def _apply(self, event):
        """Resolve what the event ends, and raise the alerts that it asks for."""
        # The rules hold for everybody's events, whatever farm's rules the user who caused this one may see.
        rules = self.sudo().search(["|", ("event_kind", "=", event.kind), ("resolve_on_kind", "=", event.kind)])
        for rule in rules.filtered(lambda rule: not rule.farm_ids or event.farm_id in rule.farm_ids):
            if rule.event_kind == event.kind:
                rule._raise_alert(event)
            else:
                rule._resolve_alerts(event)

    def _raise_alert(self, event):
        """Raise one alert; one that is still open becomes worse instead. Nothing of a device in maintenance does."""
        if event.iot_device_id.state == "maintenance":
            return
        known = self._open_alerts(event)
        if known:
            if self.severity_from_event:
                known._worsen(event, self._message(event))
            return
        self.env["iot.alert"].create(
            {
                "name": self.name,
                "rule_id": self.id,
                "event_id": event.id,
                "alert_type": self.alert_type,
                "severity": event.severity if self.severity_from_event else self.severity,
                "message": self._message(event),
                "iot_device_id": event.iot_device_id.id,
                "animal_id": event.animal_id.id,
                "farm_id": event.farm_id.id,
            }
        )

    def _resolve_alerts(self, event):
        self._open_alerts(event)._resolve_by(event)

    def _open_alerts(self, event):
        domain = [
            ("rule_id", "=", self.id),
            ("animal_id", "=", event.animal_id.id),
            ("state", "!=", "resolved"),
        ]
        # What is wrong with a cow goes with her from one milking point to the next.
        if not (self.severity_from_event and event.animal_id):
            domain.append(("iot_device_id", "=", event.iot_device_id.id))
        # What is about neither is about the farm.
        if not event.iot_device_id and not event.animal_id:
            domain.append(("farm_id", "=", event.farm_id.id))
        return self.env["iot.alert"].search(domain)

    def _message(self, event):
        text = self.message_template.format(
            device=event.iot_device_id.name or _("an unknown device"),
            animal=self._animal_text(event.animal_id),
            farm=event.farm_id.name or _("no farm"),
            message=event.message or "",
        )
        return text.strip()

    @api.model
    def _animal_text(self, animal):
        """An animal as people call it: a number alone does not say of what."""
        if not animal:
            return _("an unknown animal")
        if animal.sex == "male":
            return _("bull %s", animal.name)
        if animal.status == "calf":
            return _("calf %s", animal.name)
        if animal.status == "heifer":
            return _("heifer %s", animal.name)
        return _("cow %s", animal.name)

    def action_view_alerts(self):
        """Open the alerts that the rule has raised."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_alert_action")
        return {**action, "domain": [("rule_id", "=", self.id)], "context": {}}


def _as_written(_text, name, spec, conversion):
    """What stands between the braces that `string.Formatter.parse` has taken apart; None where there are none."""
    written = [name or "", f"!{conversion}" if conversion else "", f":{spec}" if spec else ""]
    return None if name is None else "".join(written)
