"""What the tests of firmware share: a file, released firmware, devices in service and what they report."""

import base64
from datetime import timedelta

from odoo import fields

from ..models.iot_device_provisioning import IN_ACTION
from .common import IotCase

CONTENT = bytes(range(256)) * 40
"""10,240 bytes, each part of which tells where it is from."""


class FirmwareCase(IotCase):
    """Released firmware 2.0 for temperature sensors; roll-outs are stepped at a time of the test's own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("web.base.url", "https://dairy.example")
        cls.sensors = cls.env.ref("smart_dairy_iot.iot_device_type_temperature")
        cls.firmware = cls.new_firmware("2.0")
        cls.firmware.action_release()
        cls.now = fields.Datetime.now()

    @classmethod
    def new_firmware(cls, version="2.0", content=CONTENT, **values):
        """A draft, made by the administrator."""
        return (
            cls.env["iot.firmware"]
            .with_user(cls.admin)
            .create(
                {
                    "name": "Sensor firmware",
                    "version": version,
                    "file": base64.b64encode(content),
                    "file_name": "sensor.bin",
                    "device_type_ids": [(6, 0, cls.sensors.ids)],
                    **values,
                }
            )
        )

    def in_service(self, *device_ids, **values):
        """Devices that may connect, without the broker's having to know them."""
        devices = self.env["iot.device"].browse()
        for device_id in device_ids:
            devices |= self.new_device(device_id, **values).sudo()
        devices.with_context(iot_device_action=IN_ACTION).write({"state": "active"})
        return devices

    def report(self, device, version):
        """The device's last status said that it runs this version."""
        self.env.cr.execute(
            "INSERT INTO iot_device_state (iot_device_id, firmware_version, last_seen) VALUES (%s, %s, %s)"
            " ON CONFLICT (iot_device_id) DO UPDATE SET firmware_version = excluded.firmware_version",
            [device.id, version, fields.Datetime.now()],
        )
        self.env["iot.device"].invalidate_model(["reported_firmware_version", "is_online"])
        self.env["iot.firmware.rollout.line"].invalidate_model(["reported_version"])

    def new_rollout(self, devices, waves=(), user=None, **values):
        """A roll-out of 2.0, planned by the manager.

        :param waves: (size, unit) of each
        """
        return (
            self.env["iot.firmware.rollout"]
            .with_user(user or self.manager)
            .create(
                {
                    "firmware_id": self.firmware.id,
                    "farm_id": self.hill.id,
                    "device_ids": [(6, 0, devices.ids)],
                    "wave_ids": [
                        (0, 0, {"sequence": number, "size": size, "unit": unit})
                        for number, (size, unit) in enumerate(waves, 1)
                    ],
                    **values,
                }
            )
        )

    def started(self, count, waves=(), **values):
        """A roll-out to so many devices, its first wave sent."""
        devices = self.in_service(*(f"T-{number:02}" for number in range(1, count + 1)))
        rollout = self.new_rollout(devices, waves, **values)
        rollout.action_start()
        self.step(rollout)
        return rollout

    def step(self, rollout, **later):
        """One step, as the platform takes it, so much later than the test began."""
        rollout.sudo()._step(self.now + timedelta(**later))

    def lines(self, rollout):
        """{device ID: line}"""
        return {line.iot_device_id.device_id: line for line in rollout.sudo().line_ids}

    def states(self, rollout):
        """The states of the lines, in the order of the devices."""
        return rollout.sudo().line_ids.sorted("id").mapped("state")

    def acknowledge(self, line, status, **fields_of_ack):
        """The device acknowledges its command."""
        line.device_command_id._acknowledge({"status": status, **fields_of_ack}, self.now, self.now)
