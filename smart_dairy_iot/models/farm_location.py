"""A farm's code is part of its devices' topics: when it changes, they move with it."""

from odoo import api, fields, models


class FarmLocation(models.Model):
    _inherit = "farm.location"

    device_ids = fields.One2many("iot.device", "farm_id", string="Devices")
    device_count = fields.Integer(compute="_compute_device_count")

    @api.depends("device_ids")
    def _compute_device_count(self):
        counts = dict(self.env["iot.device"]._read_group([("farm_id", "in", self.ids)], ["farm_id"], ["__count"]))
        for farm in self:
            farm.device_count = counts.get(farm, 0)

    def write(self, vals):
        if "code" not in vals:
            return super().write(vals)
        devices = self.env["iot.device"].with_context(active_test=False).search([("farm_id", "in", self.ids)])
        users, config_topics = devices._broker_users(), devices._config_topics()
        result = super().write(vals)
        devices._follow(users, config_topics)
        return result

    def action_view_devices(self):
        """Open the farm's devices."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_action")
        return {**action, "domain": [("farm_id", "=", self.id)], "context": {"default_farm_id": self.id}}
