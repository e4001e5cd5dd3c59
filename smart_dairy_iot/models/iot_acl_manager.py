"""What a device may do at the broker: publish and receive on its own topics, nothing else."""

from odoo import api, models

from ..provisioning import DeviceAccess


class IotAclManager(models.AbstractModel):
    _name = "iot.acl.manager"
    _description = "IoT ACL Manager"

    @api.model
    def device_acl(self, device):
        """The rights of one device, as rows of an access control list; what is not in it is denied.

        :returns: [(permission, action, topic)], e.g. ("allow", "publish", "dairy/farm001/milk_meters/MM001/data")
        """
        # The topics' patterns are no farm's secret; the device is read with the caller's own rights.
        topics = self.env["iot.topic.hierarchy"].sudo()._of_devices()[device.device_type]
        rows = [
            ("allow", topic.direction, topic.generate_topic(device.farm_id.code, device.device_id)) for topic in topics
        ]
        if device.previous_config_topic:
            # A device that was moved still knows only its old topics: there it reads where it belongs now.
            rows.append(("allow", "subscribe", device.previous_config_topic))
        return rows

    @api.model
    def create_device_acl(self, device):
        """Write the device's rights at the broker anew: those that `device_acl` lists, and no others."""
        device.ensure_one()
        with self.env["iot.device.auth"]._changing() as change:
            change.renew_access(device._broker_user())

    @api.model
    def _access(self, device):
        """The same rights as a `DeviceAccess`."""
        rows = self.device_acl(device)
        return DeviceAccess(
            username=device.mqtt_username,
            client_id=device.mqtt_client_id,
            publish=tuple(topic for _permission, action, topic in rows if action == "publish"),
            subscribe=tuple(topic for _permission, action, topic in rows if action == "subscribe"),
        )
