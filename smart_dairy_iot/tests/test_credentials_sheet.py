"""The sheet of many devices' new credentials: all of them on the screen and in the file, none of them kept."""

import csv
import io
import json
import secrets
from unittest.mock import patch

from lxml import html

from odoo.tests import tagged

from ..provisioning import Change, broker_for
from .common import IotCase
from .screens import ScreenCase

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)"]

# Keeps what the page offers for download, and lets nothing out of the browser.
CATCH_DOWNLOADS = """
    const files = [];
    URL.createObjectURL = (blob) => {
        files.push(blob);
        return "data:,";
    };
"""


def credentials_of(devices):
    """Credentials as the actions issue them, with passwords that can be told apart."""
    return [
        {
            "device": device,
            "username": device.mqtt_username,
            "client_id": device.mqtt_client_id,
            "password": f"-secret-of_{device.device_id}",
        }
        for device in devices
    ]


@tagged("post_install", "-at_install")
class TestCredentialsSheet(ScreenCase):
    new_device = IotCase.new_device
    tables_with = IotCase.tables_with

    def setUp(self):
        super().setUp()
        self.manager = self.env.ref("base.user_admin")
        self.hill = self.env["farm.location"].create({"name": "Hill Farm", "code": "HILL-SHEET", "tz": "UTC"})

    def in_browser(self, action, script):
        """Open the sheet on the devices' screen, run the script, and see that the browser has kept nothing."""
        self.run_on_the_list(
            f"""
            await odoo.__WOWL_DEBUG__.root.env.services.action.doAction({json.dumps(action)});
            await shown(".o_credentials_sheet");
            expectNothingKept();
            {script}
            expectNothingKept();
            """
        )

    def run_on_the_list(self, script):
        self.run_in_browser(
            "/web#action=smart_dairy_iot.iot_device_action&view_type=list",
            f"""
                {CATCH_DOWNLOADS}
                await shown(".o_list_view");
                const expectNothingKept = () => {{
                    const kept = [...Object.entries(sessionStorage), ...Object.entries(localStorage), location.href];
                    kept.push(JSON.stringify(history.state), document.cookie);
                    if (kept.some((text) => String(text).includes("secret-of_"))) {{
                        throw new Error("the browser keeps a password");
                    }}
                }};
                {script}
            """,
        )

    def test_the_file_has_all_devices_and_nothing_of_it_is_kept(self):
        names = [*FORMULAS, 'Meter "7", left\nrow', "Kühe"]
        devices = self.env["iot.device"].concat(
            *(self.new_device(f"SHEET-{number}", name=name) for number, name in enumerate(names))
        )
        action = devices._credentials_sheet_action(credentials_of(devices))
        self.in_browser(
            action,
            f"const deviceId = {devices[0].id};"
            """
            await shown(".o_credentials_sheet td", "SHEET-5");
            (await shown(".modal-footer .o_download")).click();
            await until(() => files.length, "a file");
            const body = (await files[0].text()).replaceAll("secret-of_", "read:");
            if (files[0].type !== "text/csv;charset=utf-8") {
                throw new Error(`the file is ${files[0].type}`);
            }
            const { orm } = odoo.__WOWL_DEBUG__.root.env.services;
            await orm.call("iot.device", "message_post", [[deviceId]], { body });
            (await shown(".modal-footer .o_close")).click();
            await until(() => !document.querySelector(".modal"), "the sheet closed");
            """,
        )
        file = devices[0].message_ids[0].body
        rows = list(csv.DictReader(io.StringIO(html.fromstring(file).text_content().lstrip("\ufeff"), newline="")))
        self.assertEqual([row["name"] for row in rows], [*("'" + name for name in FORMULAS), *names[4:]])
        self.assertEqual([row["password"] for row in rows], [f"-read:{device.device_id}" for device in devices])
        self.assertEqual([row["username"] for row in rows], devices.mapped("mqtt_username"))
        self.assertEqual([row["client_id"] for row in rows], devices.mapped("mqtt_client_id"))
        self.assertEqual([row["command_topic"] for row in rows], devices.mapped("command_topic"))
        self.assertEqual({row["broker_address"] for row in rows}, {self.env["iot.settings"]._broker_address()})
        self.assertEqual(self.tables_with("read:SHEET-0"), ["mail_message"], "the search finds what is there")
        self.assertEqual(self.tables_with("secret-of_"), [])

    def test_many_are_provisioned_by_one_button_and_their_passwords_are_kept_nowhere(self):
        devices = self.new_device("SHEET-1") | self.new_device("SHEET-2")
        self.addCleanup(self.forget_at_broker, devices)
        passwords = iter(["secret-of_1", "secret-of_2"])
        script = """
            for (const id of ["SHEET-1", "SHEET-2"]) {
                (await shown(".o_data_row", id)).querySelector("input[type=checkbox]").click();
            }
            (await shown(".o_control_panel button[name=action_provision]")).click();
            await shown(".o_credentials_sheet td", "SHEET-2");
            const shownPasswords = [...document.querySelectorAll(".o_password")].map((cell) => cell.textContent);
            if (shownPasswords.join() !== "secret-of_1,secret-of_2") {
                throw new Error(`other passwords: ${shownPasswords}`);
            }
            expectNothingKept();
            await shown(".o_data_row", "Active"); // the list behind it is fresh
        """
        with patch.object(secrets, "token_urlsafe", lambda _size: next(passwords)):
            self.run_on_the_list(script)
        self.assertEqual(set(devices.mapped("state")), {"active"})
        self.assertEqual(self.tables_with("secret-of_"), [])

    def forget_at_broker(self, devices):
        with broker_for(self.env["iot.settings"]._get_config()) as broker:
            changes = [Change(device.mqtt_username, device.mqtt_client_id, after=None) for device in devices]
            self.assertEqual(len(list(broker.apply(changes))), len(devices))

    def test_many_devices_are_not_all_listed_but_all_in_the_file(self):
        devices = self.env["iot.device"].create(
            [
                {
                    "name": f"Sensor {number}",
                    "device_id": f"SHEET-{number}",
                    "device_type": "temperature",
                    "farm_id": self.hill.id,
                }
                for number in range(120)
            ]
        )
        self.in_browser(
            devices._credentials_sheet_action(credentials_of(devices)),
            """
            await shown(".modal-title", "120");
            await shown(".o_credentials_sheet", "70 more");
            if (document.querySelectorAll(".o_credentials_sheet tbody tr").length !== 50) {
                throw new Error("other than 50 rows");
            }
            (await shown(".modal-footer .o_download")).click();
            await until(() => files.length, "a file");
            const lines = (await files[0].text()).trimEnd().split("\\r\\n");
            if (lines.length !== 121) {
                throw new Error(`${lines.length} lines`);
            }
            """,
        )

    def test_who_closes_without_the_file_is_asked_first(self):
        device = self.new_device("SHEET-1")
        self.in_browser(
            device._credentials_sheet_action(credentials_of(device)),
            """
            const { action: actionService } = odoo.__WOWL_DEBUG__.root.env.services;
            const leave = {
                click: async () => (await shown(".modal-footer .o_close")).click(),
                cross: async () => (await shown(".modal-header .btn-close")).click(),
                escape: () => window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true })),
                menu: () => void actionService.doAction("smart_dairy_iot.iot_alert_action"),
            };
            for (const way of Object.keys(leave)) {
                await leave[way]();
                await shown(".modal-title", "Close without the passwords?");
                (await shown(".modal-footer button", "Stay")).click();
                await until(() => document.querySelectorAll(".modal").length === 1, `back after ${way}`);
                await shown(".o_credentials_sheet", "SHEET-1");
            }
            if (window.dispatchEvent(new Event("beforeunload", { cancelable: true }))) {
                throw new Error("the page may be left");
            }
            await leave.click();
            (await shown(".modal-footer button", "Close Anyway")).click();
            await until(() => !document.querySelector(".modal"), "the sheet closed");
            if (!window.dispatchEvent(new Event("beforeunload", { cancelable: true }))) {
                throw new Error("the page is still held");
            }
            """,
        )
