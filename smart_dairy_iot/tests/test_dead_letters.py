"""Dead letters: a flood is counted to the last message, a person may correct a copy, and no copy speaks for another."""

import base64
import json
from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message, Refused
from ..bridge.store import Store
from .common import IotCase

T = datetime(2026, 3, 1, 6, 30)
LIMIT = 3


class DeadLetterCase(IotCase):
    def setUp(self):
        super().setUp()
        self.sensor = self.new_device("TS-700")
        self.other = self.new_device("TS-701")
        self.env.flush_all()
        self.devices = DeviceCache()
        self.devices.reload(self.env.cr)
        self.store = Store(self.env["iot.settings"]._telemetry_specs(), LIMIT)

    def topic(self, device):
        return device.sudo().data_topic or f"dairy/{device.farm_id.code}/temperature/{device.device_id}/data"

    def refused(self, device=None, reason="schema", at=T, payload=b"{}", topic=None):
        topic = topic or (self.topic(device) if device else "dairy/nowhere")
        known = self.devices.get(device.device_id) if device else None
        return Refused(Message(topic, payload, at), reason, "temperature is missing", known)

    def write(self, *results):
        outcomes = self.store.write_batch(self.env.cr, results)
        self.env.invalidate_all()
        return outcomes

    def letters(self, **values):
        domain = [(name, "=", value) for name, value in values.items()]
        return self.env["iot.dead.letter"].search(domain, order="id")

    def letter(self, device, payload, **values):
        """The dead letter of one message of a device."""
        if isinstance(payload, dict):
            payload = json.dumps(payload).encode()
        self.write(self.refused(device, payload=payload, **values))
        return self.letters(iot_device_id=device.id)[-1]

    def payload(self, device, **values):
        return {"device_id": device.device_id, "timestamp": f"{fields.Datetime.now().isoformat()}Z", **values}


@tagged("post_install", "-at_install")
class TestFloods(DeadLetterCase):
    def counts(self, source):
        self.env.invalidate_all()
        found = self.env["iot.dead.letter.count"].search([("source", "=", source)], order="reason, hour")
        return [(count.reason, count.hour, count.received, count.stored, count.left_out) for count in found]

    def test_a_flood_is_counted_to_the_last_message_and_stored_up_to_the_limit(self):
        hour = T.replace(minute=0)
        outcomes = self.write(*(self.refused(self.sensor, payload=b"%d" % number) for number in range(2)))
        outcomes += self.write(*(self.refused(self.sensor, payload=b"%d" % number) for number in range(2, 50)))
        self.assertEqual(outcomes, ["dead_letter"] * 50, "what is left out is a dead letter in every other count")
        self.assertEqual(self.counts("TS-700"), [("schema", hour, 50, LIMIT, 50 - LIMIT)])
        letters = self.letters(iot_device_id=self.sensor.id)
        self.assertEqual([letter.payload_text for letter in letters], ["0", "1", "2"], "the first ones are stored")
        self.assertEqual(letters[0].left_out, 50 - LIMIT)
        self.assertEqual(self.env["iot.device.state"].browse(self.sensor.id).error_count, 50)

    def test_of_large_messages_not_more_than_begun_a_megabyte_is_stored_in_an_hour(self):
        self.store = Store(self.env["iot.settings"]._telemetry_specs(), 100)
        for _batch in range(2):
            self.write(*(self.refused(self.sensor, payload=b"x" * 400_000) for _n in range(2)))
        self.write(self.refused(self.sensor, payload=b"x"))
        self.assertEqual([count[2:] for count in self.counts("TS-700")], [(5, 3, 2)])
        count = self.env["iot.dead.letter.count"].search([("source", "=", "TS-700")])
        self.assertEqual(count.stored_bytes, 1_200_000)

    def test_devices_reasons_and_hours_have_a_limit_each(self):
        later = T + timedelta(hours=1)
        self.write(
            *(self.refused(self.sensor) for _n in range(5)),
            *(self.refused(self.other) for _n in range(2)),
            *(self.refused(self.sensor, reason="clock") for _n in range(4)),
            *(self.refused(self.sensor, at=later) for _n in range(1)),
        )
        self.assertEqual(
            self.counts("TS-700"),
            [
                ("clock", T.replace(minute=0), 4, 3, 1),
                ("schema", T.replace(minute=0), 5, 3, 2),
                ("schema", later.replace(minute=0), 1, 1, 0),
            ],
        )
        self.assertEqual(self.counts("TS-701"), [("schema", T.replace(minute=0), 2, 2, 0)])
        self.assertEqual(len(self.letters(iot_device_id=self.sensor.id)), 7)

    def test_where_no_device_is_known_the_topic_is_what_is_counted(self):
        self.write(
            *(self.refused(topic="dairy/a/gates/X/data", reason="unknown_device") for _n in range(5)),
            self.refused(topic="dairy/a/gates/Y/data", reason="unknown_device"),
        )
        self.assertEqual([count[2:] for count in self.counts("dairy/a/gates/X/data")], [(5, 3, 2)])
        self.assertEqual([count[2:] for count in self.counts("dairy/a/gates/Y/data")], [(1, 1, 0)])

    def test_a_replay_that_is_refused_again_is_neither_counted_nor_stored_again(self):
        letter = self.letter(self.sensor, b"{}")
        letter.action_replay()
        again = self.refused(self.sensor, reason="clock")
        again.message.dead_letter_id = letter.id
        self.write(again)
        self.assertEqual((letter.state, letter.reason), ("new", "clock"))
        self.assertEqual([count[:1] + count[2:] for count in self.counts("TS-700")], [("schema", 1, 1, 0)])

    def test_a_replayed_status_says_nothing_of_how_the_device_is_now(self):
        known = self.devices.get("TS-700")

        def status(at, **values):
            payload = {"status": "online", "battery_level": 80, **values}
            return Accepted(Message("topic", b"{}", at), known, "status", at, 0, payload)

        self.write(status(T, firmware_version="2", config_version=7))
        old = status(T - timedelta(days=3), status="error", error_code="E1", firmware_version="1", config_version=3)
        old.message.dead_letter_id = self.letter(self.sensor, b"{}").id
        self.write(old)
        state = self.env["iot.device.state"].browse(self.sensor.id)
        self.assertEqual(
            (state.reported_status, state.error_code, state.firmware_version, state.config_version, state.last_seen),
            ("online", False, "2", 7, T),
        )

    def test_a_limit_that_is_lowered_within_the_hour_stores_no_more(self):
        self.write(*(self.refused(self.sensor) for _n in range(3)))
        self.store = Store(self.env["iot.settings"]._telemetry_specs(), 1)
        self.write(self.refused(self.sensor))
        self.assertEqual([count[2:] for count in self.counts("TS-700")], [(4, 3, 1)])

    def test_the_counts_of_a_farm_are_for_those_who_see_it(self):
        there = self.new_device("TS-702", farm=self.valley, user=self.admin)
        self.env.flush_all()
        self.devices.reload(self.env.cr)
        self.write(self.refused(self.sensor), self.refused(there), self.refused())
        counts = self.env["iot.dead.letter.count"]
        self.assertEqual(counts.with_user(self.manager).search([]).mapped("source"), ["TS-700"])
        self.assertEqual(len(counts.with_user(self.admin).search([])), 3)
        with self.assertRaises(AccessError):
            counts.with_user(self.admin).search([], limit=1).write({"received": 0})

    def test_a_count_opens_the_letters_it_counts(self):
        letter = self.letter(self.sensor, b"{}")
        self.letter(self.other, b"{}")
        self.letter(self.sensor, b"{}", at=T + timedelta(hours=1))
        count = self.env["iot.dead.letter.count"]._of(letter)
        self.assertEqual(self.env["iot.dead.letter"].search(count.action_view_dead_letters()["domain"]), letter)

    def test_letters_and_counts_are_deleted_after_the_time_that_the_settings_say(self):
        self.env["ir.config_parameter"].set_param("iot.dead_letter_retention_days", "10")
        now = fields.Datetime.now()
        for age in (9, 11):
            self.write(self.refused(self.sensor, at=now - timedelta(days=age)))
        self.write(self.refused(self.sensor, reason="clock", at=now - timedelta(days=11)))
        self.letters(reason="clock", iot_device_id=self.sensor.id).action_replay()
        self.env.flush_all()
        self.env["iot.dead.letter"]._gc_old()
        self.env["iot.dead.letter.count"]._gc_old()
        self.env.invalidate_all()
        left = self.letters(iot_device_id=self.sensor.id)
        self.assertEqual(
            [(letter.reason, letter.state) for letter in left], [("schema", "new"), ("clock", "replaying")]
        )
        self.assertEqual(len(self.counts("TS-700")), 1)


@tagged("post_install", "-at_install")
class TestPayloadViewer(DeadLetterCase):
    def test_json_is_shown_one_field_a_line(self):
        letter = self.letter(self.sensor, b'{"a":1,"b":{"c":"\xc3\xa4"}}')
        self.assertEqual(letter.payload_text, '{\n    "a": 1,\n    "b": {\n        "c": "ä"\n    }\n}')

    def test_what_is_no_json_is_shown_byte_by_byte(self):
        letter = self.letter(self.sensor, b'\xff\x00{"device_id": "TS')
        self.assertEqual(
            letter.payload_text,
            '00000000  ff 00 7b 22 64 65 76 69 63 65 5f 69 64 22 3a 20  ..{"device_id": \n00000010  22 54 53'
            + " " * 41
            + '"TS',
        )

    def test_a_text_that_is_no_json_is_shown_as_it_is_and_can_be_corrected(self):
        cut_off = '{"device_id": "TS-700",\n\t"location": "Käse", "temp'
        letter = self.letter(self.sensor, cut_off.encode())
        self.assertEqual(letter.payload_text, cut_off)
        self.assertEqual(self.letter(self.sensor, b"").payload_text, "")

    def test_half_a_character_that_json_can_name_breaks_no_screen(self):
        payload = rb'{"location": "\ud800"}'
        self.provision(self.sensor)
        letter = self.letter(self.sensor, payload)
        self.assertEqual(letter.payload_text, payload.decode())
        wizard = self.env["iot.dead.letter.correction.wizard"].create({"dead_letter_id": letter.id})
        self.assertIn("no low surrogate", wizard.complaint)

    def test_a_large_payload_is_cut_on_the_screen_and_whole_in_the_file(self):
        payload = b"\x00" * 100_000
        letter = self.letter(self.sensor, payload)
        self.assertLess(len(letter.payload_text), 100_000)
        self.assertIn("more bytes", letter.payload_text)
        self.assertEqual(base64.b64decode(letter.payload_file), payload)

    def test_json_that_is_nested_without_end_does_not_break_the_screen(self):
        letter = self.letter(self.sensor, b"[" * 200_000)
        self.assertTrue(letter.payload_text.startswith("[[[["))
        self.assertIn("more characters", letter.payload_text)


@tagged("post_install", "-at_install")
class TestCorrections(DeadLetterCase):
    def setUp(self):
        super().setUp()
        self.provision(self.sensor)
        self.provision(self.other)

    def correct(self, letter, payload, user=None):
        text = payload if isinstance(payload, str) else json.dumps(payload)
        letter.with_user(user or self.manager)._replay_corrected(text)

    def bytes_of(self, letter):
        self.env.flush_all()
        self.env.cr.execute("SELECT payload FROM iot_dead_letter WHERE id = %s", [letter.id])
        return bytes(self.env.cr.fetchone()[0])

    def test_a_corrected_copy_is_replayed_the_original_stays_and_who_did_it_is_recorded(self):
        letter = self.letter(self.sensor, self.payload(self.sensor, temperature="4,5"))
        original = self.bytes_of(letter)
        self.correct(letter, self.payload(self.sensor, temperature=4.5))
        self.assertEqual(
            (letter.state, letter.corrected_by_id, letter.settled_by_id), ("replaying", *[self.manager] * 2)
        )
        self.assertTrue(letter.corrected_at)
        self.assertEqual(json.loads(letter.corrected_payload)["temperature"], 4.5)
        self.assertEqual(self.bytes_of(letter), original)

    def test_a_copy_speaks_for_its_own_device_alone(self):
        letter = self.letter(self.sensor, self.payload(self.sensor))
        with self.assertRaisesRegex(UserError, "TS-701"):
            self.correct(letter, self.payload(self.other, temperature=4.5))
        self.assertFalse(letter.corrected_payload)
        self.assertEqual(letter.state, "new")

    def test_a_letter_of_no_known_device_is_replayed_but_not_corrected(self):
        self.write(self.refused(topic=self.topic(self.sensor), reason="unknown_device"))
        letter = self.letters(reason="unknown_device")[-1]
        with self.assertRaisesRegex(UserError, "no registered device"):
            self.correct(letter, self.payload(self.sensor, temperature=4.5), user=self.admin)

    def test_a_letter_on_a_topic_that_is_another_device_s_now_is_not_corrected(self):
        letter = self.letter(self.sensor, self.payload(self.sensor), topic=self.topic(self.other))
        with self.assertRaisesRegex(UserError, "another device now"):
            self.correct(letter, self.payload(self.other, temperature=4.5))

    def test_a_copy_that_the_bridge_would_refuse_is_not_replayed(self):
        letter = self.letter(self.sensor, self.payload(self.sensor))
        for text, complaint in (
            ("{", "refuse"),
            ("[]", "refuse"),
            (self.payload(self.sensor), "temperature is missing"),
            ({**self.payload(self.sensor, temperature=4), "timestamp": "2999-01-01T00:00:00Z"}, "ahead"),
        ):
            with self.subTest(text=text), self.assertRaisesRegex(UserError, complaint):
                self.correct(letter, text)

    def test_only_managers_of_the_farm_correct_and_replay(self):
        there = self.new_device("TS-702", farm=self.valley, user=self.admin)
        self.provision(there)
        self.env.flush_all()
        self.devices.reload(self.env.cr)
        for device, user in ((self.sensor, self.user), (there, self.manager)):
            letter = self.letter(device, self.payload(device))
            good = self.payload(device, temperature=4.5)
            with self.subTest(user=user.login), self.assertRaises(AccessError), self.env.cr.savepoint():
                self.correct(letter, good, user=user)
            self.env.invalidate_all()
            self.assertEqual((letter.state, letter.corrected_payload), ("new", False))

    def test_a_device_that_moved_to_a_farm_that_one_does_not_see_is_not_spoken_for(self):
        letter = self.letter(self.sensor, self.payload(self.sensor))
        self.sensor.with_user(self.admin).farm_id = self.valley
        with self.assertRaisesRegex(UserError, "no registered device that you see"):
            self.correct(letter, self.payload(self.sensor, temperature=4.5))

    def test_nobody_writes_a_correction_or_a_state_past_the_buttons(self):
        letter = self.letter(self.sensor, self.payload(self.sensor)).with_user(self.manager)
        for values in ({"corrected_payload": "{}"}, {"corrected_by_id": self.user.id}, {"settled_by_id": self.user.id}):
            with self.subTest(values=values), self.assertRaises(AccessError):
                letter.write(values)
        for state in ("new", "replayed"):
            with self.subTest(state=state), self.assertRaises(UserError):
                letter.write({"state": state})

    def test_the_window_shows_nothing_of_a_letter_that_one_may_not_read(self):
        there = self.new_device("TS-702", farm=self.valley, user=self.admin)
        self.env.flush_all()
        self.devices.reload(self.env.cr)
        letter = self.letter(there, {"secret": "of the valley"})
        wizards = self.env["iot.dead.letter.correction.wizard"].with_user(self.manager)
        with self.assertRaises(AccessError):
            wizards.create({"dead_letter_id": letter.id})
        wizard = wizards.create({"dead_letter_id": letter.id, "corrected_payload": "{}"})
        for name in ("topic", "detail", "payload_text", "complaint"):
            self.env.invalidate_all()
            with self.subTest(field=name), self.assertRaises(AccessError):
                wizard.read([name])

    def test_many_are_replayed_or_discarded_at_once_and_none_twice(self):
        self.write(*(self.refused(self.sensor) for _n in range(3)))
        letters = self.letters(iot_device_id=self.sensor.id).with_user(self.manager)
        letters[:2].action_replay()
        letters[2].action_discard()
        self.assertEqual(letters.mapped("state"), ["replaying", "replaying", "discarded"])
        self.assertEqual(letters.settled_by_id, self.manager)
        with self.assertRaises(UserError):
            letters[:2].action_replay()
        letters[2].action_replay()
        self.assertEqual(letters[2].state, "replaying")

    def test_the_window_says_what_is_still_wrong_while_one_types(self):
        letter = self.letter(self.sensor, self.payload(self.sensor))
        context = letter.with_user(self.manager).action_correct()["context"]
        wizards = self.env["iot.dead.letter.correction.wizard"].with_user(self.manager).with_context(**context)
        wizard = wizards.create({})
        self.assertEqual(wizard.complaint, "temperature is missing")
        wizard.corrected_payload = json.dumps(self.payload(self.sensor, temperature=4))
        self.assertFalse(wizard.complaint)
        wizard.action_replay()
        self.assertEqual(letter.state, "replaying")
