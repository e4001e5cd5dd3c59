"""Commands: who may give them, how they reach the device, and what becomes of them whatever it answers."""

import json
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from ..models.iot_device_command import MOST_UNDER_WAY
from ..models.iot_device_commands import MOST_OPEN, MOST_PARAMETER_LEVELS
from .common import IotCase


def nested(levels):
    """An object within objects, so many in all."""
    return {"a": nested(levels - 1)} if levels > 1 else {}


class CommandCase(IotCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute("DELETE FROM iot_inbox")
        cls.commands = cls.env["iot.device.command"]

    def in_service(self, device_id="T-1", **values):
        """A device that may be commanded; no user is made at the broker for it."""
        device = self.new_device(device_id, **values)
        device._in_action().sudo().write({"state": "active"})
        return device

    def heard(self, device, seconds_ago=0):
        """The device spoke."""
        seen = fields.Datetime.now() - timedelta(seconds=seconds_ago)
        self.env.cr.execute(
            "INSERT INTO iot_device_state (iot_device_id, last_seen) VALUES (%s, %s)"
            " ON CONFLICT (iot_device_id) DO UPDATE SET last_seen = excluded.last_seen",
            [device.id, seen],
        )
        device.invalidate_recordset()

    def acknowledge(self, command, status, device=None, after=0, **payload):
        """The device says so, and the platform reads it."""
        payload = {"command_id": command.command_id, "status": status, **payload}
        at = command.issued_at + timedelta(seconds=after)
        self.env["iot.inbox"]._put(
            "command_ack", (device or command.iot_device_id).id, at, payload, digest=str(payload)
        )
        self.env["iot.inbox"].process()
        failed = self.env["iot.inbox"].search([("error", "!=", False)])
        self.assertFalse(failed, failed.mapped("error"))

    def leave_outbox(self):
        """The broker has confirmed everything."""
        self.env.flush_all()
        self.env.cr.execute("UPDATE iot_outbox SET state = 'sent'")
        self.env.invalidate_all()

    def wait(self, command, seconds):
        """Time passes, and what is due then is done."""
        self.make_round(command.issued_at + timedelta(seconds=seconds))

    def make_round(self, now):
        """What `reactors.commands.CommandLoop` does, in the test's transaction."""
        for command in self.commands._due(now):
            command._look_after(now)
        self.env["iot.device"]._ready_for_commands()._send_waiting_commands(now)

    def published(self, device):
        """What is published to the device as commands, in order."""
        entries = self.env["iot.outbox"].search([("topic", "=", device.sudo().command_topic)], order="id")
        return [json.loads(entry.payload) for entry in entries]


@tagged("post_install", "-at_install")
class TestSending(CommandCase):
    def test_a_command_is_published_to_the_device_in_the_user_s_own_transaction(self):
        device = self.in_service()
        command = device._send_command("set_interval", {"seconds": 30}).sudo()
        (sent,) = self.published(device)
        self.assertEqual(
            {**sent, "issued_at": None, "expires_at": None},
            {
                "command_id": command.command_id,
                "command": "set_interval",
                "parameters": {"seconds": 30},
                "issued_at": None,
                "expires_at": None,
            },
        )
        self.assertEqual(sent["expires_at"], f"{command.expires_at.isoformat()}Z")
        self.assertEqual((command.state, command.attempts, command.create_uid), ("sent", 1, self.manager))
        entry = self.env["iot.outbox"].search([("topic", "=", device.sudo().command_topic)])
        self.assertEqual((entry.qos, entry.retain, entry.iot_device_id), (2, False, device))

    def test_a_command_that_is_rolled_back_is_never_published(self):
        device = self.in_service()
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            device._send_command("restart")
            raise ZeroDivisionError
        self.assertEqual(self.published(device), [])

    def test_only_managers_command_devices_and_only_those_of_their_farms(self):
        device = self.in_service()
        elsewhere = self.in_service("V-1", farm=self.valley, user=self.admin)
        with self.assertRaises(AccessError):
            device.with_user(self.user)._send_command("restart")
        with self.assertRaises(AccessError):
            elsewhere.with_user(self.manager)._send_command("restart")
        elsewhere.with_user(self.admin)._send_command("restart")

    def test_a_manager_of_another_company_commands_and_sees_nothing_here(self):
        device = self.in_service()
        command = device._send_command("restart")
        company = self.env["res.company"].create({"name": "Other Dairy"})
        stranger = new_test_user(
            self.env,
            "other_manager",
            "smart_dairy_farm.group_farm_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        with self.assertRaises(AccessError):
            device.with_user(stranger)._send_command("restart")
        with self.assertRaises(AccessError):
            command.with_user(stranger).action_cancel()
        self.assertFalse(self.commands.with_user(stranger).search([]))
        self.assertFalse(self.env["iot.device.config.version"].with_user(stranger).search([]))
        self.assertEqual(command.sudo().state, "sent")

    def test_firmware_is_installed_by_roll_outs_alone(self):
        """Who may not release firmware must not have it installed by a command, from wherever he says."""
        device = self.in_service()
        for user in (self.manager, self.admin):
            with self.assertRaisesRegex(ValidationError, "start a firmware roll-out"):
                device.with_user(user)._send_command("update_firmware", {"url": "https://elsewhere.example/"})
        self.assertTrue(device._send_command("update_firmware", {}, source="rollout"))

    def test_nobody_writes_commands_and_who_does_not_see_the_farm_sees_none(self):
        elsewhere = self.in_service("V-1", farm=self.valley, user=self.admin)
        command = elsewhere.with_user(self.admin)._send_command("restart")
        self.assertFalse(self.commands.with_user(self.manager).search([]))
        with self.assertRaises(AccessError):
            command.with_user(self.manager).action_cancel()
        for user in (self.user, self.manager, self.admin):
            with self.assertRaises(AccessError):
                command.with_user(user).write({"state": "done"})
            with self.assertRaises(AccessError):
                self.commands.with_user(user).create({"iot_device_id": elsewhere.id, "command": "restart"})

    def test_who_has_no_dairy_group_sees_no_commands(self):
        stranger = new_test_user(self.env, "command_stranger", "base.group_user")
        with self.assertRaises(AccessError):
            self.commands.with_user(stranger).search([])

    def test_a_device_that_is_not_in_service_or_has_no_broker_takes_no_commands(self):
        waiting = self.new_device("T-2")
        polled = self.in_service("T-3", uses_mqtt=False)
        for device in (waiting, polled):
            with self.assertRaisesRegex(UserError, "takes no commands"):
                device._send_command("restart")

    def test_what_is_no_command_is_refused(self):
        device = self.in_service()
        for arguments in (
            {"command": "Restart now"},
            {"command": ""},
            {"command": "x" * 65},
            {"command": "restart", "parameters": ["a"]},
            {"command": "restart", "parameters": {"a": "x" * 20_000}},
            {"command": "restart", "parameters": {"a": float("inf")}},
            {"command": "restart", "parameters": {"a": "\0"}},
            {"command": "restart", "parameters": {"a": "\ud800"}},
            {"command": "restart", "parameters": nested(MOST_PARAMETER_LEVELS + 1)},
            {"command": "restart", "timeout_seconds": 0},
            {"command": "restart", "max_attempts": 21},
            {"command": "restart", "expires_at": datetime(2020, 1, 1)},
            {"command": "restart", "expires_at": fields.Datetime.now() + timedelta(days=367)},
        ):
            with self.subTest(arguments=str(arguments)[:60]), self.assertRaises(ValidationError):
                device._send_command(**arguments)

    def test_parameters_may_be_nested_to_a_limit(self):
        parameters = nested(MOST_PARAMETER_LEVELS)
        command = self.in_service()._send_command("restart", parameters)
        self.assertEqual(command.parameters, parameters)

    def test_a_device_is_given_a_few_at_a_time_those_of_higher_priority_first(self):
        device = self.in_service()
        self.heard(device)
        first = device._send_command("first").sudo()
        for number in range(MOST_UNDER_WAY):
            device._send_command(f"next_{number}")
        device._send_command("urgent", priority="3")
        names = [message["command"] for message in self.published(device)]
        self.assertEqual(names, ["first", *(f"next_{number}" for number in range(MOST_UNDER_WAY - 1))])
        self.acknowledge(first, "done")
        self.assertEqual(self.published(device)[-1]["command"], "urgent")

    def test_an_offline_device_has_a_limit_of_waiting_commands_and_the_error_says_so(self):
        device = self.in_service()
        for _number in range(MOST_OPEN):
            device._send_command("restart")
        with self.assertRaisesRegex(UserError, f"{MOST_OPEN} commands waiting already, and is offline"):
            device._send_command("restart")

    def test_what_waits_for_an_offline_device_is_sent_when_it_is_back(self):
        device = self.in_service()
        command = device._send_command("restart").sudo()
        device._send_command("identify")
        self.leave_outbox()
        self.wait(command, 61)
        self.assertEqual((command.state, command.attempts), ("queued", 1), "nobody is there to hear it again")
        self.wait(command, 70)
        self.assertEqual(len(self.published(device)), 1)
        self.heard(device)
        self.wait(command, 80)
        self.assertEqual([message["command"] for message in self.published(device)], ["restart", "restart", "identify"])
        self.assertEqual((command.state, command.attempts), ("sent", 2))

    def test_what_ends_while_the_device_is_away_leaves_the_others_waiting(self):
        """Or commands that may be sent once would be used up one by one, with nobody there to hear them."""
        device = self.in_service()
        first = device._send_command("first", max_attempts=1).sudo()
        second = device._send_command("second", max_attempts=1).sudo()
        self.leave_outbox()
        self.wait(first, 61)
        self.assertEqual((first.state, second.state, second.attempts), ("failed", "queued", 0))
        self.heard(device)
        self.wait(first, 70)
        self.assertEqual((second.state, second.attempts), ("sent", 1))

    def test_the_chatter_says_who_gave_a_command_and_how_it_ended(self):
        device = self.in_service()
        command = device._send_command("restart").sudo()
        self.acknowledge(command, "failed", message="Motor blocked")
        bodies = device.sudo().message_ids.mapped("body")
        self.assertIn("Command restart given.", bodies[1])
        self.assertIn("Command restart: failed (Motor blocked)", bodies[0])
        self.assertEqual(device.sudo().message_ids[1].author_id, self.manager.partner_id)


@tagged("post_install", "-at_install")
class TestAnswers(CommandCase):
    def setUp(self):
        super().setUp()
        self.device = self.in_service()
        self.heard(self.device)
        self.command = self.device._send_command("restart").sudo()

    def test_a_device_accepts_tells_of_its_progress_and_is_done(self):
        self.acknowledge(self.command, "accepted", message="On it")
        self.assertEqual((self.command.state, self.command.message), ("accepted", "On it"))
        self.acknowledge(self.command, "progress", after=1, progress=40)
        self.assertEqual((self.command.state, self.command.progress), ("accepted", 40))
        self.acknowledge(self.command, "done", after=2, result={"seconds": 3})
        self.assertEqual((self.command.state, self.command.progress), ("done", 100))
        self.assertEqual(self.command.result, {"seconds": 3})
        self.assertTrue(self.command.accepted_at and self.command.finished_at)

    def test_a_device_that_fails_says_why(self):
        self.acknowledge(self.command, "failed", message="Motor blocked")
        self.assertEqual((self.command.state, self.command.error), ("failed", "Motor blocked"))

    def test_an_answer_that_comes_twice_is_one(self):
        self.acknowledge(self.command, "done", message="Restarted")
        finished_at = self.command.finished_at
        with patch.object(type(self.commands), "_on_command_progress") as told:
            self.acknowledge(self.command, "done", after=5, message="Restarted again")
        told.assert_not_called()
        self.assertEqual((self.command.message, self.command.finished_at), ("Restarted", finished_at))

    def test_after_the_first_outcome_nothing_changes_any_more(self):
        self.acknowledge(self.command, "done")
        for status in ("accepted", "progress", "failed"):
            self.acknowledge(self.command, status, after=1, message="late", progress=10)
            self.assertEqual((self.command.state, self.command.progress), ("done", 100))
        self.assertFalse(self.command.message)

    def test_a_progress_that_was_overtaken_does_not_go_back(self):
        self.acknowledge(self.command, "progress", progress=80)
        self.acknowledge(self.command, "progress", after=1, progress=20)
        self.assertEqual(self.command.progress, 80)

    def test_a_device_answers_for_its_own_commands_only(self):
        other = self.in_service("T-2")
        self.acknowledge(self.command, "done", device=other)
        self.assertEqual(self.command.state, "sent")

    def test_an_answer_to_nothing_does_no_harm(self):
        unknown = self.commands.new({"command_id": "0" * 36, "iot_device_id": self.device.id})
        unknown.issued_at = fields.Datetime.now()
        self.acknowledge(unknown, "done")
        self.assertEqual(self.env["iot.inbox"].search([]).mapped("state"), ["done"])
        self.assertEqual(self.command.state, "sent")

    def test_a_silent_device_is_sent_the_same_command_again_and_given_up_in_the_end(self):
        self.leave_outbox()
        self.wait(self.command, 59)
        self.assertEqual(self.command.attempts, 1)
        for attempt in (2, 3):
            self.wait(self.command, 61 * (attempt - 1))
            self.assertEqual((self.command.attempts, self.command.state), (attempt, "sent"))
            self.leave_outbox()
        self.wait(self.command, 200)
        self.assertEqual(
            (self.command.state, self.command.error), ("failed", "The device did not answer; sent 3 times.")
        )
        sent = self.published(self.device)
        self.assertEqual({message["command_id"] for message in sent}, {self.command.command_id})
        self.assertEqual(len(sent), 3)

    def test_a_word_of_the_device_gives_it_the_whole_time_again(self):
        self.leave_outbox()
        self.acknowledge(self.command, "accepted")
        heard_at = self.command.timeout_at - timedelta(seconds=60)
        self.make_round(heard_at + timedelta(seconds=59))
        self.assertEqual(self.command.attempts, 1)
        self.make_round(heard_at + timedelta(seconds=61))
        self.assertEqual((self.command.attempts, self.command.state), (2, "accepted"))

    def test_while_the_broker_has_not_got_it_a_command_is_not_sent_twice(self):
        self.wait(self.command, 61)
        self.assertEqual((self.command.attempts, self.command.state), (1, "sent"))
        self.assertEqual(len(self.published(self.device)), 1)

    def test_an_answer_that_overtakes_the_repetition_spares_it(self):
        """The device was away, the command is to be sent again, and then its answer to the first one comes."""
        self.env.cr.execute("UPDATE iot_device_state SET reported_status = 'offline'")
        self.leave_outbox()
        self.wait(self.command, 61)
        self.assertEqual(self.command.state, "queued")
        self.acknowledge(self.command, "accepted")
        self.heard(self.device)
        self.wait(self.command, 62)
        self.assertEqual((self.command.state, self.command.attempts), ("accepted", 1))

    def test_answers_that_waited_in_the_inbox_tell_when_they_came_and_start_the_time_out_now(self):
        waiting = [self.device._send_command(f"next_{number}").sudo() for number in range(MOST_UNDER_WAY)][-1]
        payload = {"command_id": self.command.command_id, "status": "done"}
        self.env["iot.inbox"]._put("command_ack", self.device.id, self.command.issued_at, payload)
        earlier = fields.Datetime.now() - timedelta(hours=1)
        self.env.cr.execute("UPDATE iot_inbox SET received_at = %s", [earlier])
        self.env["iot.inbox"].process()
        self.assertEqual((self.command.finished_at, self.command.reported_at), (earlier, earlier))
        self.assertEqual(waiting.state, "sent")
        self.assertGreaterEqual(waiting.sent_at, waiting.issued_at)

    def test_a_result_of_many_levels_is_kept_and_shown(self):
        """The bridge stores up to 254 levels, more than which orjson does not write."""
        self.acknowledge(self.command, "done", result=nested(250))
        self.env.invalidate_all()
        self.assertEqual(self.command.result, nested(250))
        self.assertIn('"a"', self.command.result_text)

    def test_what_the_device_says_after_the_command_expired_or_was_cancelled_is_noted(self):
        for number, end in enumerate(("expired", "cancelled")):
            with self.subTest(end=end):
                command = self.device._send_command("restart").sudo()
                command._finish(end, fields.Datetime.now())
                self.acknowledge(command, "accepted", after=number)
                self.assertEqual(command.state, end)
                self.acknowledge(command, "done", after=number)
                self.assertEqual((command.state, command.error), ("done", False))

    def test_a_late_answer_counts_though_the_command_was_given_up(self):
        self.command._finish("failed", fields.Datetime.now(), error="The device did not answer; sent 3 times.")
        self.acknowledge(self.command, "accepted")
        self.assertEqual(self.command.state, "failed", "it may still fail")
        self.acknowledge(self.command, "done", after=1)
        self.assertEqual((self.command.state, self.command.error), ("done", False))

    def test_what_was_not_begun_in_time_expires_and_leaves_the_outbox(self):
        self.wait(self.command, 24 * 3600 + 1)
        self.assertEqual(self.command.state, "expired")
        self.assertEqual(self.published(self.device), [])

    def test_what_was_begun_in_time_may_take_longer(self):
        self.acknowledge(self.command, "accepted")
        self.command.timeout_at = self.command.expires_at + timedelta(hours=1)
        self.wait(self.command, 24 * 3600 + 1)
        self.assertEqual(self.command.state, "accepted")

    def test_a_year_after_its_end_a_command_is_forgotten(self):
        other = self.device._send_command("identify").sudo()
        self.acknowledge(self.command, "done")
        self.acknowledge(other, "done")
        self.command.finished_at -= timedelta(days=366)
        self.env.flush_all()
        self.commands._gc_ended()
        self.assertEqual((self.command | other).exists(), other)

    def test_who_cancels_a_command_that_has_not_left_takes_it_out_of_the_outbox(self):
        self.command.with_user(self.manager).action_cancel()
        self.assertEqual((self.command.state, self.published(self.device)), ("cancelled", []))
        with self.assertRaisesRegex(UserError, "ended already"):
            self.command.with_user(self.manager).action_cancel()

    def test_of_a_selection_those_are_cancelled_that_have_not_ended(self):
        other = self.device._send_command("identify").sudo()
        self.acknowledge(self.command, "done")
        (self.command | other).with_user(self.manager).action_cancel()
        self.assertEqual((self.command.state, other.state), ("done", "cancelled"))

    def test_users_who_are_no_managers_cancel_nothing(self):
        with self.assertRaises(AccessError):
            self.command.with_user(self.user).action_cancel()

    def test_a_device_that_is_decommissioned_or_replaced_has_no_open_commands(self):
        for state in ("decommissioned", "provisioning"):
            device = self.in_service(f"T-{state}")
            command = device._send_command("restart").sudo()
            device._in_action().sudo().write({"state": state})
            self.assertEqual((command.state, self.published(device)), ("cancelled", []), state)

    def test_others_are_told_of_progress_and_of_the_end(self):
        told = []
        with patch.object(
            type(self.commands), "_on_command_progress", lambda commands: told.extend(commands.mapped("state"))
        ):
            self.acknowledge(self.command, "progress", progress=10)
            self.acknowledge(self.command, "done", after=1)
        self.assertEqual(told, ["accepted", "done"])


@tagged("post_install", "-at_install")
class TestCommandWizard(CommandCase):
    def wizard(self, records, **context):
        model = self.env["iot.device.command.wizard"].with_user(self.manager)
        return Form(model.with_context(active_model=records._name, active_ids=records.ids, **context))

    def test_from_the_device_a_known_command_is_sent_with_its_parameters(self):
        device = self.in_service()
        with self.wizard(device) as form:
            form.known_command = "identify"
            self.assertEqual(json.loads(form.parameters_json), {"seconds": 30})
            form.parameters_json = '{"seconds": 5}'
            form.priority = "2"
        form.record.action_send()
        command = device.sudo().command_ids
        self.assertEqual(
            (command.command, command.parameters, command.priority, command.source),
            ("identify", {"seconds": 5}, "2", "form"),
        )
        self.assertEqual(device.open_command_count, 1)

    def test_only_what_one_of_the_devices_may_know_is_offered(self):
        feeder, gate = self.in_service("F-1", device_type="feeder"), self.in_service("G-1", device_type="gate")
        for devices, expected in (
            (feeder, {"calibrate", "dispense"}),
            (gate, {"open", "close"}),
            (feeder | gate, {"calibrate", "dispense", "open", "close"}),
        ):
            offered = self.wizard(devices).save().offered_commands
            self.assertEqual(set(offered), {"identify", "report_status", "restart", "other"} | expected)

    def test_a_group_is_commanded_as_a_whole_but_for_those_that_cannot_do_it(self):
        gates = self.in_service("G-1", device_type="gate") | self.in_service("G-2", device_type="gate")
        others = self.in_service("T-2") | self.new_device("G-3", "gate")
        group = self.env["iot.device.group"].create({"name": "Barn", "device_ids": [(6, 0, (gates | others).ids)]})
        with self.wizard(group) as form:
            form.known_command = "open"
            self.assertEqual((form.target_count, form.left_out_count), (2, 2))
        form.record.action_send()
        commands = self.commands.search([])
        self.assertEqual((commands.iot_device_id, set(commands.mapped("source"))), (gates, {"group"}))
        self.assertEqual(len(set(commands.mapped("command_id"))), 2)

    def test_one_device_with_too_many_waiting_holds_up_no_group(self):
        full, other = self.in_service("T-1"), self.in_service("T-2")
        for _number in range(MOST_OPEN):
            full._send_command("restart")
        group = self.env["iot.device.group"].create({"name": "Barn", "device_ids": [(6, 0, (full | other).ids)]})
        with self.wizard(group) as form:
            self.assertEqual((form.target_count, form.left_out_count), (1, 1))
        form.record.action_send()
        self.assertEqual(other.open_command_count, 1)

    def test_a_command_expires_in_the_future_and_within_a_year(self):
        device = self.in_service()
        for hours in (0, -1, 8785, 1e12):
            with self.wizard(device) as form:
                form.expires_after_hours = hours
            with self.subTest(hours=hours), self.assertRaises(ValidationError):
                form.record.action_send()

    def test_parameters_that_are_no_json_object_are_refused(self):
        device = self.in_service()
        for text in ("{", "[1]", "[" * 100_000):
            with self.wizard(device) as form:
                form.parameters_json = text
            with self.assertRaises(ValidationError):
                form.record.action_send()

    def test_users_who_are_no_managers_have_no_wizard(self):
        device = self.in_service()
        with self.assertRaises(AccessError):
            self.env["iot.device.command.wizard"].with_user(self.user).create({"device_ids": [(6, 0, device.ids)]})
