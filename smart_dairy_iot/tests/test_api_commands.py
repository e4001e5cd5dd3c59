"""The REST API's way to commands and configurations: with the user's own rights, and a device for itself alone."""

from odoo.tests import tagged

from ..controllers.api.apis import PREFIX
from .api import ApiCase


class CommandApiCase(ApiCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_device("T-1")
        self.elsewhere = self.new_device("V-1", farm=self.valley, user=self.admin)
        (self.device | self.elsewhere)._in_action().sudo().write({"state": "active"})


@tagged("post_install", "-at_install")
class TestApiCommands(CommandApiCase):
    path = "/devices/T-1/commands"

    def test_a_command_is_given_and_looked_up(self):
        asked = {"command": "set_interval", "parameters": {"seconds": 30}, "priority": 2, "expires_in_seconds": 600}
        response = self.call("POST", self.path, json=asked)
        self.assertEqual(response.status_code, 201, response.text)
        given = response.json()["command"]
        self.assertEqual(
            {name: given[name] for name in ("command", "parameters", "priority")},
            {
                "command": "set_interval",
                "parameters": {"seconds": 30},
                "priority": 2,
            },
        )
        self.assertEqual((given["state"], given["attempts"], given["source"]), ("sent", 1, "api"))
        command = self.device.sudo().command_ids
        self.assertEqual((command.create_uid, command.command_id), (self.manager, given["command_id"]))
        looked_up = self.call("GET", f"{self.path}/{given['command_id']}", "user")
        self.assertEqual(looked_up.json(), {"success": True, "command": given})

    def test_commands_are_listed_a_page_at_a_time(self):
        for name in ("first", "second", "third"):
            self.device._send_command(name)
        self.device.sudo().command_ids.filtered(lambda command: command.command == "first").state = "done"
        body = self.call("GET", f"{self.path}?limit=2", "user").json()
        self.assertEqual((body["count"], body["total"]), (2, 3))
        self.assertEqual([command["command"] for command in body["commands"]], ["third", "second"])
        body = self.call("GET", f"{self.path}?sort=issued_at&offset=1", "user").json()
        self.assertEqual([command["command"] for command in body["commands"]], ["second", "third"])
        body = self.call("GET", f"{self.path}?state=done", "user").json()
        self.assertEqual([command["command"] for command in body["commands"]], ["first"])

    def test_only_managers_give_commands_and_only_to_devices_of_their_farms(self):
        body = {"command": "restart"}
        self.assertError(self.call("POST", self.path, "user", json=body), 403, "forbidden")
        self.assertError(self.call("POST", "/devices/V-1/commands", "manager", json=body), 404, "not_found")
        self.assertError(self.call("GET", "/devices/V-1/commands", "manager"), 404, "not_found")
        self.assertError(self.call("POST", self.path, None, json=body), 401, "unauthorized")
        self.assertEqual(self.call("POST", "/devices/V-1/commands", "admin", json=body).status_code, 201)

    def test_a_command_of_another_device_is_not_found(self):
        command = self.elsewhere.with_user(self.admin)._send_command("restart").command_id
        for wanted in (command, "no-such-command"):
            self.assertError(self.call("GET", f"{self.path}/{wanted}"), 404, "not_found")

    def test_a_device_gives_no_commands(self):
        device = self.new_device("T-2")
        password = self.provision(device)
        response = self.call("POST", "/devices/T-2/commands", self.basic(device, password), json={"command": "open"})
        self.assertEqual(response.status_code, 403)

    def test_what_is_no_command_or_not_possible_is_refused_with_a_sentence(self):
        for body in (
            {},
            {"command": "Restart now"},
            {"command": "restart", "priority": 9},
            {"command": "x", "more": 1},
        ):
            self.assertError(self.call("POST", self.path, json=body), 400, "invalid_request")
        too_much = {"command": "restart", "parameters": {"text": "x" * 20_000}}
        self.assertError(self.call("POST", self.path, json=too_much), 422, "invalid_payload")
        self.device._in_action().sudo().write({"state": "inactive"})
        self.assertError(self.call("POST", self.path, json={"command": "restart"}), 409, "conflict")

    def test_parameters_that_are_nested_beyond_all_measure_are_no_fault_of_the_server(self):
        for levels, status, code in ((40, 422, "invalid_payload"), (900, 400, "invalid_request")):
            body = b'{"command": "restart", "parameters": ' + b'{"a":' * levels + b"1" + b"}" * (levels + 1)
            response = self.opener.post(
                f"{self.base_url()}{PREFIX}{self.path}",
                data=body,
                headers={**self.bearer("manager"), "Content-Type": "application/json"},
                timeout=120,
            )
            self.assertError(response, status, code)

    def test_firmware_is_not_installed_by_a_command_of_a_user(self):
        body = {"command": "update_firmware", "parameters": {"url": "https://elsewhere.example/"}}
        for user in ("manager", "admin"):
            self.assertError(self.call("POST", self.path, user, json=body), 422, "invalid_payload")

    def test_the_same_key_gives_one_command(self):
        headers = {"Idempotency-Key": "restart-17"}
        first, second = (
            self.call("POST", self.path, json={"command": "restart"}, headers=headers).json() for _time in range(2)
        )
        self.assertEqual(first, second)
        self.assertEqual(len(self.device.sudo().command_ids), 1)


@tagged("post_install", "-at_install")
class TestApiConfig(CommandApiCase):
    path = "/devices/T-1/config"

    def put(self, config, caller="manager", headers=None, **body):
        return self.call("PUT", self.path, caller, json={"config": config, **body}, headers=headers)

    def test_a_configuration_is_changed_and_read(self):
        self.assertEqual(self.call("GET", self.path, "user").json()["config"], {})
        response = self.put({"interval": 30})
        self.assertEqual(
            response.json(), {"success": True, "message": "Configuration updated", "config_version": 1}, response.text
        )
        response = self.call("GET", self.path, "user")
        self.assertEqual(
            response.json(),
            {"success": True, "config": {"interval": 30}, "config_version": 1, "reported_config_version": None},
        )
        self.assertEqual(response.headers["ETag"], '"1"')
        self.assertEqual(self.device.sudo().config_version_ids.create_uid, self.manager)
        entry = self.env["iot.outbox"].search([("topic", "=", self.device.sudo().config_topic)])
        self.assertEqual(entry.payload, '{"interval": 30, "config_version": 1}')

    def test_true_is_another_value_than_1(self):
        self.put({"beep": 1})
        self.assertEqual(self.put({"beep": True}).json()["config_version"], 2)
        self.assertIs(self.call("GET", self.path).json()["config"]["beep"], True)
        self.assertEqual(self.put({"beep": True}).json()["config_version"], 2, "the same is no new version")

    def test_who_read_an_older_version_changes_nothing(self):
        self.put({"interval": 30})
        self.put({"interval": 60}, headers={"If-Match": '"1"'})
        for stale in (
            self.put({"interval": 1}, headers={"If-Match": '"1"'}),
            self.put({"interval": 1}, config_version=1),
        ):
            self.assertError(stale, 409, "conflict")
        self.assertError(self.put({}, headers={"If-Match": "abc"}), 400, "invalid_request")
        self.assertEqual(self.device._configuration(), {"interval": 60})
        self.assertEqual(self.put({"interval": 1}, config_version=2).json()["config_version"], 3)

    def test_who_may_not_change_devices_changes_no_configuration(self):
        self.assertError(self.put({"interval": 30}, "user"), 403, "forbidden")
        elsewhere = self.call("PUT", "/devices/V-1/config", "manager", json={"config": {}})
        self.assertError(elsewhere, 404, "not_found")
        self.assertFalse(self.device.config_json)

    def test_the_platform_s_own_key_is_refused(self):
        self.assertError(self.put({"config_version": 3}), 422, "invalid_payload")

    def test_a_device_reads_its_own_configuration_and_changes_none(self):
        device = self.new_device("T-2", config_json='{"interval": 30}')
        header = self.basic(device, self.provision(device))
        self.assertEqual(self.call("GET", "/devices/T-2/config", header).json()["config"], {"interval": 30})
        self.assertError(self.call("GET", self.path, header), 404, "not_found")
        self.assertEqual(self.call("PUT", "/devices/T-2/config", header, json={"config": {}}).status_code, 403)
