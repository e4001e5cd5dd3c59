"""A roll-out goes on in waves by itself, stops by itself, and knows from the database alone how far it is."""

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..models.iot_firmware_rollout_steps import limit_reached
from .firmware import FirmwareCase


@tagged("post_install", "-at_install")
class TestPlan(FirmwareCase):
    def test_its_devices_are_those_of_groups_tags_and_names_that_the_firmware_is_for(self):
        grouped, tagged_device, named, _other = self.in_service("T-1", "T-2", "T-3", "T-4")
        collar = self.in_service("C-1", device_type="collar")
        group = self.env["iot.device.group"].create({"name": "Barn", "device_ids": [(6, 0, (grouped | collar).ids)]})
        tag = self.env["iot.device.tag"].create({"name": "Trial"})
        tagged_device.tag_ids = tag
        rollout = self.new_rollout(named, group_ids=[(6, 0, group.ids)], tag_ids=[(6, 0, tag.ids)])
        self.assertEqual(rollout.target_count, 3)
        rollout.action_start()
        self.assertEqual(rollout.line_ids.iot_device_id, grouped | tagged_device | named)

    def test_devices_that_cannot_take_part_are_skipped_with_the_reason(self):
        devices = self.in_service("T-1", "T-2", "T-3", "T-4", "T-5")
        _good, out_of_service, polled, certified, current = devices
        out_of_service.action_deactivate()
        polled.uses_mqtt = False
        certified.auth_method = "certificate"
        self.report(current, "2.0")
        rollout = self.new_rollout(devices)
        rollout.action_start()
        lines = self.lines(rollout)
        self.assertEqual(lines["T-1"].state, "waiting")
        for device_id, word in (("T-2", "service"), ("T-3", "MQTT"), ("T-4", "password"), ("T-5", "already")):
            self.assertEqual(lines[device_id].state, "skipped", device_id)
            self.assertIn(word, lines[device_id].error)

    def test_a_device_with_a_newer_version_is_skipped_unless_the_plan_is_to_go_back(self):
        devices = self.in_service("T-1", "T-2", "T-3", "T-4")
        for device, version in zip(devices, ("1.9.9", "2.0-rc1", "2.0.1", "10.0"), strict=True):
            self.report(device, version)
        rollout = self.new_rollout(devices)
        rollout.action_start()
        self.assertEqual(self.states(rollout), ["waiting", "waiting", "skipped", "skipped"])
        self.assertIn("10.0", self.lines(rollout)["T-4"].error)
        rollout.action_cancel()
        back = self.new_rollout(devices, allow_downgrade=True)
        back.action_start()
        self.step(back)
        self.assertEqual(self.states(back), ["sent"] * 4)

    def test_a_device_is_in_one_roll_out_at_a_time(self):
        device = self.in_service("T-1")
        self.new_rollout(device).action_start()
        second = self.new_rollout(device)
        second.action_start()
        self.assertEqual(self.states(second), ["skipped"])
        self.assertIn("another roll-out", second.line_ids.error)

    def test_of_two_roll_outs_that_planned_a_device_at_the_same_moment_one_sends_it(self):
        device = self.in_service("T-1")
        first, second = self.new_rollout(device), self.new_rollout(device)
        first.action_start()
        # What the second one sees of the first while that is not committed: nothing.
        line = first.sudo().line_ids
        line.state = "installed"
        second.action_start()
        line.state = "waiting"
        for rollout in (first, second):
            self.step(rollout)
        self.assertEqual((self.states(first), self.states(second)), (["sent"], ["skipped"]))

    def test_waves_are_sizes_or_percentages_and_what_has_no_room_is_a_last_one(self):
        devices = self.in_service(*(f"T-{number}" for number in range(1, 11)))
        rollout = self.new_rollout(devices, waves=[(1, "devices"), (25, "percent")])
        rollout.action_start()
        self.assertEqual([wave.device_count for wave in rollout.wave_ids.sorted("sequence")], [1, 3, 6])

    def test_waves_that_no_device_is_left_for_are_none(self):
        rollout = self.new_rollout(self.in_service("T-1", "T-2"), waves=[(2, "devices"), (50, "percent")])
        rollout.action_start()
        self.assertEqual([wave.device_count for wave in rollout.wave_ids], [2])

    def test_devices_that_are_online_come_first(self):
        devices = self.in_service("T-1", "T-2", "T-3")
        self.report(devices[2], "1.0")
        rollout = self.new_rollout(devices, waves=[(1, "devices")])
        rollout.action_start()
        self.assertEqual(rollout.wave_ids.sorted("sequence")[0].line_ids.iot_device_id, devices[2])
        self.assertEqual(self.lines(rollout)["T-3"].previous_version, "1.0")

    def test_what_was_started_is_planned_for_good(self):
        device = self.in_service("T-1")
        rollout = self.new_rollout(device, waves=[(1, "devices")])
        rollout.action_start()
        for change in (
            lambda: rollout.write({"device_ids": [(5,)]}),
            lambda: rollout.write({"allow_downgrade": True}),
            lambda: rollout.write({"wave_ids": [(0, 0, {"size": 5})]}),
            lambda: rollout.wave_ids.write({"size": 5}),
            lambda: rollout.wave_ids.unlink(),
            lambda: rollout.write({"state": "done"}),
            lambda: rollout.write({"line_ids": [(5,)]}),
            lambda: rollout.unlink(),
            rollout.action_start,
        ):
            with self.assertRaises(UserError), self.env.cr.savepoint():
                change()
        rollout.failure_limit = 5

    def test_no_wave_is_slipped_into_a_roll_out_that_was_started(self):
        rollout = self.new_rollout(self.in_service("T-1"))
        rollout.action_start()
        waves = self.env["iot.firmware.rollout.wave"].with_user(self.manager)
        with self.assertRaises(UserError), self.env.cr.savepoint():
            waves.create({"rollout_id": rollout.id, "size": 5})
        wave = waves.create({"rollout_id": self.new_rollout(self.in_service("T-2")).id, "size": 5})
        with self.assertRaises(UserError), self.env.cr.savepoint():
            wave.write({"rollout_id": rollout.id})

    def test_without_a_device_or_over_plain_http_nothing_starts(self):
        with self.assertRaises(UserError):
            self.new_rollout(self.in_service("C-1", device_type="collar")).action_start()
        self.env["ir.config_parameter"].set_param("web.base.url", "http://dairy.example")
        with self.assertRaisesRegex(UserError, "HTTPS"):
            self.new_rollout(self.in_service("T-1")).action_start()
        self.env["ir.config_parameter"].set_param("web.base.url", "http://127.0.0.1:8069")
        self.new_rollout(self.in_service("T-2")).action_start()

    def test_devices_have_a_time_to_install_that_a_calendar_has(self):
        device = self.in_service("T-1")
        for hours in (0, -1, 2**31 - 1):
            with self.subTest(hours=hours), mute_logger("odoo.sql_db"):
                with self.assertRaises(IntegrityError), self.env.cr.savepoint():
                    self.new_rollout(device, install_hours=hours)

    def test_another_company_s_users_know_nothing_of_a_roll_out(self):
        company = self.env["res.company"].create({"name": "Other Dairy"})
        strangers = [
            new_test_user(self.env, login, group, company_id=company.id, company_ids=[(6, 0, company.ids)])
            for login, group in (
                ("stranger", "smart_dairy_farm.group_farm_manager"),
                ("strange_admin", "smart_dairy_farm.group_farm_admin"),
            )
        ]
        device = self.in_service("T-1")
        everywhere = self.new_rollout(device, waves=[(1, "devices")], user=self.admin, farm_id=False)
        everywhere.action_start()
        here = self.new_rollout(self.in_service("T-2"), waves=[(1, "devices")])
        here.action_start()
        self.env.invalidate_all()
        for user in strangers:
            with self.subTest(user=user.login):
                env = self.env(user=user)
                lines = env["iot.firmware.rollout.line"].search([])
                self.assertFalse(lines & (everywhere | here).line_ids.with_env(env))
                self.assertEqual(
                    env["iot.firmware.rollout"].search([("id", "in", (everywhere | here).ids)]), everywhere
                )
                self.assertFalse(env["iot.firmware.rollout.wave"].search([("id", "in", here.wave_ids.ids)]))
                seen = everywhere.with_env(env)
                self.assertEqual((seen.device_count, seen.device_ids.ids, seen.target_count), (0, [], 0))
                for action in ("action_pause", "action_cancel", "action_retry_failed", "unlink"):
                    with self.assertRaises(AccessError), self.env.cr.savepoint():
                        getattr(here.with_env(env), action)()
                with self.assertRaises(AccessError), self.env.cr.savepoint():
                    env["iot.firmware.rollout"].create({"firmware_id": self.firmware.id, "farm_id": self.hill.id})

    def test_a_manager_rolls_out_to_his_farms_and_to_no_other(self):
        here, there = self.in_service("T-1"), self.in_service("T-2", farm=self.valley, user=self.admin)
        group = self.env["iot.device.group"].create({"name": "All", "device_ids": [(6, 0, (here | there).ids)]})
        for values in ({"farm_id": self.valley.id}, {"farm_id": False}):
            with self.subTest(values=values), self.assertRaises(AccessError), self.env.cr.savepoint():
                self.new_rollout(here.browse(), **values)
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            self.new_rollout(there, user=self.admin)
        mine = self.new_rollout(here, group_ids=[(6, 0, group.ids)])
        with self.assertRaises(AccessError), self.env.cr.savepoint():
            mine.farm_id = False
        mine.action_start()
        self.assertEqual(mine.sudo().line_ids.iot_device_id, here)

    def test_users_look_on_and_each_sees_the_devices_of_his_farms(self):
        here, there = self.in_service("T-1"), self.in_service("T-2", farm=self.valley, user=self.admin)
        everywhere = self.new_rollout(here | there, user=self.admin, farm_id=False)
        everywhere.action_start()
        for user, seen in ((self.user, here), (self.manager, here), (self.admin, here | there)):
            rollout = everywhere.with_user(user)
            rollout.invalidate_recordset()
            self.assertEqual(rollout.line_ids.iot_device_id.sudo(), seen, user.login)
            self.assertEqual(rollout.device_count, len(seen), user.login)
        for user in (self.user, self.manager):
            for action in ("action_pause", "action_cancel", "action_retry_failed", "unlink"):
                with self.subTest(user=user.login, action=action):
                    with self.assertRaises(AccessError), self.env.cr.savepoint():
                        getattr(everywhere.with_user(user), action)()

    def test_nobody_writes_the_progress_of_a_device(self):
        rollout = self.new_rollout(self.in_service("T-1"))
        rollout.action_start()
        for user in (self.user, self.manager, self.admin):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                rollout.line_ids.with_user(user).write({"state": "installed"})


@tagged("post_install", "-at_install")
class TestProgress(FirmwareCase):
    def test_a_device_is_told_what_to_fetch_where_and_how_to_check_it(self):
        rollout = self.started(1)
        command = self.lines(rollout)["T-01"].device_command_id
        self.assertEqual((command.command, command.source), ("update_firmware", "rollout"))
        self.assertEqual(
            command.parameters,
            {
                "version": "2.0",
                "url": "https://dairy.example/api/v1/iot/devices/T-01/firmware/2.0",
                "sha256": self.firmware.sha256,
                "size": 10_240,
            },
        )

    def test_a_step_that_is_repeated_does_nothing(self):
        rollout = self.started(3, waves=[(2, "devices")])
        for _repetition in range(3):
            self.step(rollout)
        self.assertEqual(self.states(rollout), ["sent", "sent", "waiting"])
        commands = self.env["iot.device.command"].search([("iot_device_id", "in", rollout.line_ids.iot_device_id.ids)])
        self.assertEqual(len(commands), 2)

    def test_what_the_device_tells_of_its_progress_is_shown(self):
        rollout = self.started(1)
        line = self.lines(rollout)["T-01"]
        self.acknowledge(line, "accepted")
        self.assertEqual(line.state, "sent")
        self.acknowledge(line, "progress", progress=40)
        self.assertEqual((line.state, line.progress, rollout.under_way_count), ("downloading", 40, 1))

    def test_a_device_that_never_reported_a_version_is_taken_at_its_word(self):
        rollout = self.started(1)
        line = self.lines(rollout)["T-01"]
        self.acknowledge(line, "done")
        self.assertEqual((line.state, line.progress), ("installed", 100))
        self.assertEqual(line.iot_device_id.firmware_version, "2.0")

    def test_a_device_that_reports_versions_is_believed_when_it_reports_the_new_one(self):
        rollout = self.started(1)
        line = self.lines(rollout)["T-01"]
        self.report(line.iot_device_id, "1.0")
        self.acknowledge(line, "done")
        self.step(rollout)
        self.assertEqual(line.state, "downloading")
        self.report(line.iot_device_id, "2.0")
        self.step(rollout)
        self.assertEqual((line.state, rollout.state), ("installed", "done"))

    def test_a_device_that_says_done_and_goes_on_with_the_old_version_has_failed(self):
        rollout = self.started(1)
        line = self.lines(rollout)["T-01"]
        self.report(line.iot_device_id, "1.0")
        self.acknowledge(line, "done")
        self.step(rollout, minutes=29)
        self.assertEqual(line.state, "downloading")
        self.step(rollout, minutes=31)
        self.assertEqual(line.state, "failed")
        self.assertIn("1.0", line.error)

    def test_to_report_the_version_is_enough_whatever_became_of_the_command(self):
        rollout = self.started(2, failure_limit=0)
        silent, late = rollout.line_ids.sudo().sorted("id")
        self.report(silent.iot_device_id, "2.0")
        self.acknowledge(late, "failed", message="no power")
        self.assertEqual((late.state, late.error), ("failed", "no power"))
        self.report(late.iot_device_id, "2.0")
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed", "installed"])

    def test_who_does_not_report_the_version_in_time_has_failed(self):
        rollout = self.started(1, install_hours=2)
        self.step(rollout, hours=1, minutes=59)
        self.assertEqual(self.states(rollout), ["sent"])
        self.step(rollout, hours=2)
        self.assertEqual((self.states(rollout), rollout.state), (["failed"], "done"))

    def test_a_command_that_was_given_up_is_a_failure_and_a_late_answer_still_counts(self):
        rollout = self.started(2)
        line = self.lines(rollout)["T-01"]
        line.device_command_id._finish("failed", self.now, error="silent")
        self.assertEqual((line.state, line.error), ("failed", "silent"))
        self.acknowledge(line, "done")
        self.assertEqual((line.state, line.error), ("installed", False))

    def test_the_next_wave_begins_when_each_device_of_the_last_has_ended(self):
        rollout = self.started(4, waves=[(2, "devices")])
        lines = self.lines(rollout)
        self.acknowledge(lines["T-01"], "done")
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed", "sent", "waiting", "waiting"])
        self.acknowledge(lines["T-02"], "failed")
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed", "failed", "sent", "sent"])
        first, second = rollout.wave_ids.sorted("sequence")
        self.assertTrue(first.finished_at and second.started_at and not second.finished_at)
        self.assertEqual((first.progress, second.progress, rollout.progress), (100, 0, 50))
        for device_id in ("T-03", "T-04"):
            self.acknowledge(lines[device_id], "done")
        self.step(rollout)
        self.assertEqual((rollout.state, rollout.installed_count, rollout.failed_count), ("done", 3, 1))
        self.assertTrue(rollout.finished_at)

    def test_it_pauses_by_itself_when_the_failures_reach_their_limit(self):
        rollout = self.started(12, waves=[(10, "devices")])
        lines = self.lines(rollout)
        for device_id, status in (("T-01", "failed"), ("T-02", "done"), ("T-03", "failed")):
            self.acknowledge(lines[device_id], status)
            self.step(rollout)
        self.assertEqual(rollout.state, "running")
        self.acknowledge(lines["T-04"], "failed")
        self.step(rollout)
        self.assertEqual(rollout.state, "paused")
        self.assertIn("3 of 4 devices", rollout.pause_reason)
        self.assertIn("3 of any 10", rollout.pause_reason)
        self.assertIn("3 of 4", rollout.message_ids[0].body)

    def test_it_pauses_before_a_password_would_go_over_plain_http(self):
        rollout = self.started(2, waves=[(1, "devices")])
        address = self.env["ir.config_parameter"]
        # Odoo itself sets it when an administrator logs in at another address.
        address.set_param("web.base.url", "http://192.168.1.5:8069")
        self.step(rollout)
        self.assertEqual(rollout.state, "running", "nobody is told an address now")
        self.acknowledge(self.lines(rollout)["T-01"], "done")
        self.step(rollout)
        self.assertEqual((rollout.state, self.states(rollout)), ("paused", ["installed", "waiting"]))
        self.assertIn("HTTPS", rollout.pause_reason)
        address.set_param("web.base.url", "https://dairy.example")
        rollout.action_resume()
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed", "sent"])

    def test_paused_it_sends_nothing_and_follows_what_is_under_way(self):
        rollout = self.started(3, waves=[(1, "devices"), (1, "devices")])
        rollout.action_pause()
        self.acknowledge(self.lines(rollout)["T-01"], "done")
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed", "waiting", "waiting"])
        rollout.action_resume()
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed", "sent", "waiting"])

    def test_resumed_it_goes_on_and_counts_failures_anew(self):
        rollout = self.started(6, waves=[(2, "devices"), (2, "devices")], failure_limit=2, failure_window=2)
        lines = self.lines(rollout)
        for device_id in ("T-01", "T-02"):
            self.acknowledge(lines[device_id], "failed")
        self.step(rollout)
        self.assertEqual(rollout.state, "paused")
        rollout.action_resume()
        self.step(rollout)
        self.assertEqual((rollout.state, self.states(rollout)[2:4]), ("running", ["sent", "sent"]))
        for device_id in ("T-03", "T-04"):
            self.acknowledge(lines[device_id], "failed")
        self.step(rollout)
        self.assertEqual(rollout.state, "paused")

    def test_cancelled_it_calls_back_what_no_device_has_begun(self):
        rollout = self.started(3, waves=[(2, "devices")])
        lines = self.lines(rollout)
        self.acknowledge(lines["T-02"], "accepted")
        rollout.action_cancel()
        self.assertEqual(self.states(rollout), ["skipped", "sent", "skipped"])
        self.assertEqual(lines["T-01"].device_command_id.state, "cancelled")
        self.acknowledge(lines["T-02"], "done")
        self.step(rollout)
        self.assertEqual((rollout.state, self.states(rollout)), ("cancelled", ["skipped", "installed", "skipped"]))

    def test_a_device_that_left_service_or_the_farm_meanwhile_is_skipped(self):
        rollout = self.started(3, waves=[(1, "devices")])
        lines = self.lines(rollout)
        lines["T-02"].iot_device_id.action_deactivate()
        lines["T-03"].iot_device_id.farm_id = self.valley
        self.acknowledge(lines["T-01"], "done")
        self.step(rollout)
        self.assertEqual((rollout.state, self.states(rollout)), ("done", ["installed", "skipped", "skipped"]))

    def test_a_device_that_takes_no_more_commands_has_failed_and_the_others_are_sent_theirs(self):
        devices = self.in_service("T-01", "T-02")
        for _number in range(50):
            devices[0]._send_command("identify")
        rollout = self.new_rollout(devices)
        rollout.action_start()
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["failed", "sent"])
        self.assertIn("50", self.lines(rollout)["T-01"].error)

    def test_only_roll_outs_with_something_to_do_are_looked_at(self):
        rollout = self.started(2, waves=[(1, "devices")])
        live = self.env["iot.firmware.rollout"]._live
        self.assertIn(rollout.sudo(), live())
        self.acknowledge(self.lines(rollout)["T-01"], "accepted")
        rollout.action_cancel()
        self.assertIn(rollout.sudo(), live(), "a device is still installing")
        self.acknowledge(self.lines(rollout)["T-01"], "done")
        self.assertNotIn(rollout.sudo(), live())


@tagged("post_install", "-at_install")
class TestLimit(FirmwareCase):
    def test_the_limit_is_reached_by_so_many_failures_among_so_many_neighbours(self):
        cases = (
            ("FFF", 3, 10, True),
            ("FF", 3, 10, False),
            ("F.F......F", 3, 10, True),
            ("F.F.......F", 3, 10, False),
            ("..........F.F.F..........", 3, 10, True),
            ("F....................F", 2, 0, True),
            ("FFFFFF", 0, 10, False),
            ("", 1, 1, False),
            (".F", 1, 1, True),
        )
        for outcomes, limit, window, reached in cases:
            with self.subTest(outcomes=outcomes, limit=limit, window=window):
                self.assertEqual(limit_reached([letter == "F" for letter in outcomes], limit, window), reached)
