"""What a device may do at the broker: publish and receive on its own topics, nothing else."""

from odoo import api, models

from ..provisioning import Change, DeviceAccess


class IotAclManager(models.AbstractModel):
    _name = "iot.acl.manager"
    _description = "IoT ACL Manager"

    @api.model
    def device_acl(self, device):
        """The rights of one device, as rows of an access control list; what is not in it is denied.

        :returns: [(permission, action, topic)], e.g. ("allow", "publish", "dairy/farm001/milk_meters/MM001/data")
        """
        device.ensure_one()
        access = self._accesses(device)[device.id]
        return [
            *(("allow", "publish", topic) for topic in access.publish),
            *(("allow", "subscribe", topic) for topic in access.subscribe),
        ]

    @api.model
    def create_device_acl(self, device):
        """Write the device's rights at the broker anew: those that `device_acl` lists, and no others."""
        device.ensure_one()
        user = device._broker_user()
        if user:
            self.env["iot.device.auth"]._tell(
                [Change(user.access.username, user.access.client_id, user, effect="refresh")]
            )

    @api.model
    def _accesses(self, devices):
        """{id: DeviceAccess}, of devices that have a farm."""
        # The topics' patterns are no farm's secret; the devices are read with the caller's own rights.
        topics = self.env["iot.topic.hierarchy"].sudo()._of_devices()
        patterns = {
            (device_type, direction): [topic._pattern() for topic in of_type if topic.direction == direction]
            for device_type, of_type in topics.items()
            for direction in ("publish", "subscribe")
        }
        return {device.id: _access(device, patterns) for device in devices}


def _access(device, patterns):
    def topics(direction):
        of_type = patterns[device.device_type, direction]
        return [pattern.fill(device.farm_id.code, device.device_id) for pattern in of_type]

    subscribe = topics("subscribe")
    if device.previous_config_topic:
        # A device that was moved still knows only its old topics: there it reads where it belongs now.
        subscribe.append(device.previous_config_topic)
    return DeviceAccess(device.mqtt_username, device.mqtt_client_id, tuple(topics("publish")), tuple(subscribe))
