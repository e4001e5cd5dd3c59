"""The form of a roll-out shows how far each wave and each device is, and stops it by a button."""

from odoo.tests import tagged

from .firmware import FirmwareCase
from .screens import ScreenCase


@tagged("post_install", "-at_install")
class TestFirmwareScreen(ScreenCase, FirmwareCase):
    def test_the_form_shows_each_wave_and_each_device_and_pauses_by_its_button(self):
        devices = self.in_service("T-1", "T-2", "T-3")
        rollout = self.new_rollout(devices, waves=[(2, "devices")], user=self.env.ref("base.user_admin"))
        rollout.action_start()
        self.step(rollout)
        self.acknowledge(self.lines(rollout)["T-1"], "done")
        self.acknowledge(self.lines(rollout)["T-2"], "progress", progress=40)
        self.env.flush_all()
        self.run_in_browser(
            f"/web#action=smart_dairy_iot.iot_firmware_rollout_action&view_type=form&id={rollout.id}",
            """
            await shown(".o_field_widget[name=wave_ids] .o_data_row .o_progressbar", "50%");
            (await shown(".o_notebook .nav-link", "Devices")).click();
            await shown(".o_field_widget[name=line_ids] .o_data_row", "Installed");
            const row = await shown(".o_field_widget[name=line_ids] .o_data_row", "Downloading");
            if (!row.textContent.includes("40%")) {
                throw new Error(`no progress: ${row.textContent}`);
            }
            (await shown("button[name=action_pause]")).click();
            await shown(".o_form_view .alert", "Paused by");
            await shown(".o_statusbar_status .o_arrow_button_current", "Paused");
            """,
        )
        rollout.invalidate_recordset()
        self.assertEqual(rollout.state, "paused")

    def test_failed_devices_are_tried_again_by_a_button_that_asks_first(self):
        rollout = self.new_rollout(self.in_service("T-1"), user=self.env.ref("base.user_admin"))
        rollout.action_start()
        self.step(rollout)
        self.acknowledge(self.lines(rollout)["T-1"], "failed", message="no power")
        self.step(rollout)
        self.env.flush_all()
        self.run_in_browser(
            f"/web#action=smart_dairy_iot.iot_firmware_rollout_action&view_type=form&id={rollout.id}",
            """
            await shown(".o_statusbar_status .o_arrow_button_current", "Done");
            (await shown("button[name=action_retry_failed]")).click();
            (await shown(".modal-footer .btn-primary")).click();
            await shown(".o_statusbar_status .o_arrow_button_current", "Running");
            if (document.querySelector("button[name=action_retry_failed]")) {
                throw new Error("nothing has failed any more");
            }
            """,
        )
        rollout.invalidate_recordset()
        self.assertEqual((rollout.state, self.states(rollout)), ("running", ["waiting"]))
