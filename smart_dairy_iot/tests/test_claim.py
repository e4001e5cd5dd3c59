"""A device that waits is claimed by whoever holds its label, for a farm of his own; nobody else learns of it."""

from lxml import html

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, HttpCase, TransactionCase, new_test_user, tagged

from ..models.iot_device_claim import ALPHABET, new_claim_code, normalised_claim_code
from .common import IotCase
from .screens import ScreenCase


class ClaimCase(IotCase):
    def waiting_device(self, device_id="WAIT-1", **values):
        """A device that the administrator has registered without a farm."""
        values = {"name": f"Device {device_id}", "device_id": device_id, "device_type": "temperature", **values}
        return self.env["iot.device"].with_user(self.admin).create(values)

    def wizard(self, device, user=None, **values):
        wizards = self.env["iot.device.claim.wizard"].with_user(user or self.manager)
        return wizards.create({"claim_code": device.sudo().claim_code, **values})


class TestClaimCode(ClaimCase):
    def test_every_device_has_a_code_of_its_own_and_keeps_it(self):
        devices = self.waiting_device("WAIT-1") | self.waiting_device("WAIT-2") | self.new_device("T-1")
        codes = devices.sudo().mapped("claim_code")
        self.assertEqual(len(set(codes)), 3)
        for code in codes:
            self.assertRegex(code, f"^[{ALPHABET}]{{5}}(-[{ALPHABET}]{{5}}){{2}}$")
        devices.sudo().write({"device_type": "collar"})
        devices.flush_recordset()
        devices.invalidate_recordset()
        self.assertEqual(devices.sudo().mapped("claim_code"), codes)

    def test_a_code_is_understood_as_people_type_it(self):
        self.assertEqual(normalised_claim_code("k7m2x 9qwrt 4vhzp"), "K7M2X-9QWRT-4VHZP")
        self.assertEqual(normalised_claim_code("O1IL0-9QWRT4VHZP"), "01110-9QWRT-4VHZP")
        self.assertEqual(normalised_claim_code(""), "")
        code = new_claim_code()
        self.assertEqual(normalised_claim_code(code), code)

    def test_nobody_chooses_a_code_nor_who_has_claimed(self):
        device = self.waiting_device()
        for values in ({"claim_code": "A"}, {"claimed_by_id": self.manager.id}, {"released_for_claiming": True}):
            with self.subTest(values), self.assertRaises(UserError):
                device.with_user(self.admin).write(values)
            with self.subTest(values), self.assertRaises(UserError):
                self.waiting_device("WAIT-2", **values)

    def test_users_below_a_manager_do_not_read_the_code(self):
        device = self.new_device()
        with self.assertRaises(AccessError):
            device.with_user(self.user).read(["claim_code"])
        self.assertTrue(device.with_user(self.manager).read(["claim_code"])[0]["claim_code"])


class TestClaim(ClaimCase):
    def test_a_device_without_a_farm_is_seen_by_administrators_alone(self):
        device = self.waiting_device()
        for user, seen in ((self.user, False), (self.manager, False), (self.admin, True)):
            devices = self.env["iot.device"].with_user(user)
            self.assertEqual(bool(devices.search([("id", "=", device.id)])), seen, user.login)
        with self.assertRaises(AccessError):
            device.with_user(self.manager).read(["name"])
        with self.assertRaises(AccessError):
            self.env["iot.device"].with_user(self.manager).create(
                {"name": "Mine", "device_id": "MINE-1", "device_type": "gate"}
            )

    def test_a_manager_claims_a_device_for_his_farm_and_pen(self):
        pen = self.env["farm.pen"].create({"name": "Parlour", "code": "P1", "farm_id": self.hill.id})
        device = self.waiting_device()
        code = device.sudo().claim_code
        wizard = self.wizard(device)
        self.assertEqual((wizard.device_id, wizard.name), ("WAIT-1", "Device WAIT-1"))
        with Form(wizard) as form:
            form.farm_id = self.hill
            form.location_id = pen
            form.name = "Parlour door"
            form.location_description = "Left of the gate"
        wizard.action_claim()
        claimed = device.with_user(self.manager)
        self.assertEqual(
            (claimed.farm_id, claimed.location_id, claimed.name, claimed.location_description),
            (self.hill, pen, "Parlour door", "Left of the gate"),
        )
        self.assertEqual(claimed.claimed_by_id, self.manager)
        self.assertTrue(claimed.claimed_at)
        self.assertEqual(claimed.data_topic, "dairy/HILL/temperature/WAIT-1/data")
        self.assertEqual(claimed.claim_code, code, "the label stays good")
        self.assertTrue(wizard.may_be_provisioned)
        note = html.fromstring(claimed.message_ids[0].body).text_content()
        self.assertIn("Claimed by", note)
        self.assertIn("Hill Farm / Parlour / Left of the gate", note)
        self.assertEqual(claimed.message_ids[0].author_id, self.manager.partner_id)

    def test_what_is_claimed_cannot_be_claimed_again(self):
        device = self.waiting_device()
        late = self.wizard(device, farm_id=self.hill.id)
        self.wizard(device, farm_id=self.hill.id).action_claim()
        with self.assertRaisesRegex(UserError, "claimed it meanwhile"):
            late.action_claim()

    def test_nobody_claims_for_a_farm_that_he_does_not_see(self):
        device = self.waiting_device()
        with self.assertRaises(AccessError):
            self.wizard(device, farm_id=self.valley.id).action_claim()
        self.assertFalse(device.farm_id)

    def test_the_pen_is_one_of_the_farm(self):
        pen = self.env["farm.pen"].create({"name": "Far pen", "code": "P9", "farm_id": self.valley.id})
        device = self.waiting_device()
        with self.assertRaises(ValidationError):
            self.wizard(device, farm_id=self.hill.id, location_id=pen.id).action_claim()

    def test_without_the_code_a_manager_learns_nothing_of_a_waiting_device(self):
        device = self.waiting_device()
        wizard = self.env["iot.device.claim.wizard"].with_user(self.manager).create({"claim_code": new_claim_code()})
        self.assertFalse(wizard.device_id or wizard.name)
        wizard = (
            self.env["iot.device.claim.wizard"]
            .with_user(self.manager)
            .create({"claim_code": new_claim_code(), "iot_device_id": device.id})
        )
        wizard.invalidate_recordset()
        with self.assertRaises(AccessError):
            wizard.read(["device_id"])

    def test_a_farm_user_cannot_claim(self):
        device = self.waiting_device()
        self.assertFalse(self.env["iot.device"].with_user(self.user)._claimable(device.sudo().claim_code))
        with self.assertRaises(AccessError):
            self.wizard(device, user=self.user)

    def test_decommissioned_and_archived_devices_wait_for_nobody(self):
        device, other = self.waiting_device(), self.waiting_device("WAIT-2")
        other.active = False
        device.with_user(self.admin).write({"farm_id": self.hill.id})
        device.with_user(self.admin).action_release_for_claiming()
        device.with_user(self.admin).action_decommission()
        for each in (device, other):
            self.assertFalse(self.env["iot.device"].with_user(self.manager)._claimable(each.sudo().claim_code))


class TestRelease(ClaimCase):
    def test_a_device_in_service_is_claimed_by_another_farm_once_it_is_released(self):
        device = self.new_device("MOVE-1", farm=self.valley, user=self.admin)
        self.provision(device)
        self.assertFalse(self.env["iot.device"].with_user(self.manager)._claimable(device.sudo().claim_code))
        device.with_user(self.admin).action_release_for_claiming()
        self.wizard(device, farm_id=self.hill.id).action_claim()
        moved = device.with_user(self.manager)
        self.assertEqual((moved.farm_id, moved.state), (self.hill, "active"))
        self.assertEqual(moved.data_topic, "dairy/HILL/temperature/MOVE-1/data")
        self.assertEqual(moved.previous_config_topic, "dairy/VALLEY/temperature/MOVE-1/config")
        self.assertFalse(moved.released_for_claiming, "released once, claimed once")

    def test_only_administrators_release_and_take_back(self):
        device = self.new_device()
        with self.assertRaises(AccessError):
            device.with_user(self.manager).action_release_for_claiming()
        device.with_user(self.admin).action_release_for_claiming()
        with self.assertRaises(AccessError):
            device.with_user(self.manager).action_keep()
        device.with_user(self.admin).action_keep()
        self.assertFalse(self.env["iot.device"].with_user(self.manager)._claimable(device.sudo().claim_code))


@tagged("post_install", "-at_install")
class TestLabelAddress(HttpCase):
    """What the address in a label's QR code answers."""

    def setUp(self):
        super().setUp()
        groups = {"user": "smart_dairy_farm.group_farm_user", "manager": "smart_dairy_farm.group_farm_manager"}
        for role, group in {**groups, "stranger": "base.group_user", "portal": "base.group_portal"}.items():
            new_test_user(self.env, f"claim_{role}", group, password=f"claim_{role}")
        self.farm = self.env["farm.location"].create({"name": "Label Farm", "code": "LABEL", "tz": "UTC"})
        self.closed = self.env["farm.location"].create(
            {"name": "Closed", "code": "CLOSED", "tz": "UTC", "user_ids": [(6, 0, self.env.ref("base.user_admin").ids)]}
        )

    def device(self, device_id, farm=None):
        return self.env["iot.device"].create(
            {"name": device_id, "device_id": device_id, "device_type": "gate", "farm_id": farm and farm.id}
        )

    def answer(self, login, code):
        self.authenticate(login, login)
        return self.url_open(f"/iot/claim/{code}", allow_redirects=False)

    def test_who_is_not_logged_in_logs_in_first_and_then_comes_back(self):
        code = self.device("LABEL-1").claim_code
        self.authenticate(None, None)
        answer = self.url_open(f"/iot/claim/{code}", allow_redirects=False)
        self.assertEqual(answer.status_code, 303)
        self.assertIn("/web/login?redirect=", answer.headers["Location"])
        self.assertIn(code, answer.headers["Location"])

    def test_a_waiting_device_leads_a_manager_to_its_claim(self):
        answer = self.answer("claim_manager", self.device("LABEL-1").claim_code)
        self.assertEqual(answer.status_code, 303)
        self.assertIn("action=smart_dairy_iot.iot_device_claim_action", answer.headers["Location"])

    def test_the_form_shows_the_code_as_it_is_on_the_label_however_it_was_typed(self):
        device = self.device("LABEL-1")
        self.answer("claim_manager", device.claim_code.lower().replace("-", ""))
        wizard = self.env["iot.device.claim.wizard"].search([], order="id desc", limit=1)
        self.assertEqual(wizard.claim_code, device.claim_code)

    def test_a_claimed_device_leads_to_its_form_for_who_may_read_it(self):
        device = self.device("LABEL-1", self.farm)
        for login in ("claim_user", "claim_manager"):
            answer = self.answer(login, device.claim_code.lower().replace("-", ""))
            self.assertIn(f"action=smart_dairy_iot.iot_device_action&id={device.id}&", answer.headers["Location"])

    def test_wrong_and_foreign_codes_get_the_same_answer(self):
        wrong, foreign, waiting = (
            new_claim_code(),
            self.device("L-1", self.closed).claim_code,
            self.device("L-2").claim_code,
        )
        for login, codes in (("claim_manager", (wrong, foreign)), ("claim_user", (wrong, foreign, waiting))):
            answers = [self.answer(login, code) for code in codes]
            self.assertEqual({answer.status_code for answer in answers}, {404})
            self.assertEqual(len({answer.text for answer in answers}), 1)
        self.assertIn("claimed by a farm manager", answers[0].text)

    def test_who_has_no_dairy_group_gets_that_answer_for_every_code(self):
        codes = (new_claim_code(), self.device("L-1", self.farm).claim_code, self.device("L-2").claim_code)
        for login in ("claim_stranger", "claim_portal"):
            answers = [self.answer(login, code) for code in codes]
            self.assertEqual({answer.status_code for answer in answers}, {404})
            self.assertEqual(len({answer.text for answer in answers}), 1)

    def test_a_code_is_also_typed_by_hand(self):
        self.authenticate("claim_manager", "claim_manager")
        self.assertIn("The code on the device", self.url_open("/iot/claim").text)
        device = self.device("LABEL-1", self.farm)
        answer = self.url_open(f"/iot/claim?code={device.claim_code}", allow_redirects=False)
        self.assertIn(f"&id={device.id}&", answer.headers["Location"])


@tagged("post_install", "-at_install")
class TestClaimOnAPhone(ScreenCase):
    browser_size = "390,844"

    def test_a_device_is_claimed_by_its_label_s_address(self):
        new_test_user(self.env, "claim_phone", "smart_dairy_farm.group_farm_manager", password="claim_phone")
        self.env["farm.location"].search([]).active = False
        farm = self.env["farm.location"].create({"name": "Phone Farm", "code": "PHONE", "tz": "UTC"})
        device = self.env["iot.device"].create({"name": "Phoned", "device_id": "PHONE-1", "device_type": "gate"})
        script = """
            await shown(".o_form_view h1", "PHONE-1");
            (await shown("button[name=action_claim]")).click();
            await shown(".alert-success", "Phone Farm");
            await shown("button[name=action_provision]");
            (await shown("button[name=action_open_device]")).click();
            await shown(".o_form_view [name=state]", "Provisioning");
        """
        self.run_in_browser(f"/iot/claim/{device.claim_code}", script, login="claim_phone")
        self.assertEqual((device.farm_id, device.claimed_by_id.login), (farm, "claim_phone"))


@tagged("post_install", "-at_install")
class TestClaimsOfOld(TransactionCase):
    def test_devices_registered_before_there_were_codes_get_one_each(self):
        farm = self.env["farm.location"].create({"name": "Old Farm", "code": "OLD", "tz": "UTC"})
        devices = self.env["iot.device"].create(
            [
                {"name": f"Old {number}", "device_id": f"OLD-{number}", "device_type": "gate", "farm_id": farm.id}
                for number in range(3)
            ]
        )
        devices.flush_recordset()
        self.env.cr.execute("ALTER TABLE iot_device DROP COLUMN claim_code")
        devices.invalidate_recordset()
        self.env.registry.init_models(self.env.cr, ["iot.device"], {"module": "smart_dairy_iot"})
        devices.flush_recordset()
        self.env.cr.execute("SELECT count(DISTINCT claim_code) FROM iot_device WHERE id IN %s", [tuple(devices.ids)])
        self.assertEqual(self.env.cr.fetchone(), (3,))
