"""Certificates of devices: issued, renewed and revoked by who runs the device, and nothing secret of them kept."""

import base64
import logging
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..provisioning import broker_for
from .certificates import CertificateCase, request
from .screens import ScreenCase


@tagged("post_install", "-at_install")
class TestCertificates(CertificateCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_device()

    def at_broker(self, device):
        """The device's user as the broker has it, or None."""
        with broker_for(self.env["iot.settings"]._get_config()) as broker:
            return broker.users().get(device.mqtt_username)

    def open_issuing(self, device, user=None, **values):
        """Press the button on the device; returns the action that the wizard answers with."""
        action = device.action_issue_certificate()
        wizards = self.env[action["res_model"]].with_user(user or self.manager).with_context(**action["context"])
        return wizards.create(values).action_issue()

    # ------------------------------------------------------------------ issuing

    def test_that_there_is_no_device_ca_is_told_before_the_form_is_filled_in(self):
        self.authority.state = "retired"
        with self.assertRaisesRegex(UserError, "no device CA yet"):
            self.device.action_issue_certificate()

    def test_a_device_s_request_becomes_a_certificate_of_its_user_name(self):
        certificate = self.issue(self.device)
        signed = x509.load_pem_x509_certificate(certificate.certificate_pem.encode())
        self.assertEqual(signed.subject.rfc4514_string(), f"CN={self.device.mqtt_username}")
        self.assertEqual(int(certificate.serial_number, 16), signed.serial_number)
        point = signed.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0]
        self.assertEqual(point.full_name[0].value, f"http://dairy.example/iot/crl/{self.authority.id}.pem")
        self.assertEqual((certificate.cn, certificate.state), (self.device.mqtt_username, "valid"))
        self.assertEqual(certificate.create_uid, self.manager)

    def test_the_register_shows_name_end_and_status_of_the_device_s_certificate(self):
        self.assertEqual((self.device.certificate_cn, self.device.certificate_status), (False, False))
        certificate = self.issue(self.device, days=100)
        self.assertEqual(self.device.certificate_cn, self.device.mqtt_username)
        self.assertEqual(self.device.certificate_expiry, certificate.not_after.date())
        for days, status in ((0, "valid"), (71, "expiring"), (101, "expired")):
            with freeze_time(fields.Datetime.now() + timedelta(days=days)):
                self.device.invalidate_recordset(["certificate_status"])
                self.assertEqual(self.device.certificate_status, status)

    def test_certificates_are_found_by_their_status(self):
        valid, revoked = self.issue(self.device), self.issue(self.device)
        revoked._revoke("unspecified")
        ours = [("iot_device_id", "=", self.device.id)]
        certificates = self.env["iot.device.certificate"]
        self.assertEqual(certificates.search([*ours, ("state", "=", "valid")]), valid)
        self.assertEqual(certificates.search([*ours, ("state", "=", "revoked")]), revoked)
        self.assertEqual(certificates.search([*ours, ("state", "!=", "revoked")]), valid)
        self.assertFalse(certificates.search([*ours, ("state", "=", "expired")]))
        with freeze_time(fields.Datetime.now() + timedelta(days=366)):
            self.assertEqual(certificates.search([*ours, ("state", "in", ["expired", "valid"])]), valid)

    def test_a_request_is_given_as_a_file_or_as_a_text_and_not_as_both(self):
        text = request()
        file = base64.b64encode(text)
        for values in ({}, {"csr_file": file, "csr_text": text.decode()}):
            with self.subTest(values=values), self.assertRaisesRegex(UserError, "as a file or as a text"):
                self.open_issuing(self.device, **values)
        for values in ({"csr_file": file}, {"csr_text": text.decode()}):
            action = self.open_issuing(self.device, **values)
            self.assertEqual(action["context"]["default_certificate_id"], self.device.certificate_id.id)
            self.assertNotIn("default_pkcs12", action["context"])

    def test_a_request_with_a_bad_signature_or_a_weak_key_is_refused_in_words_and_leaves_nothing(self):
        tampered = bytearray(x509.load_pem_x509_csr(request()).public_bytes(Encoding.DER))
        place = bytes(tampered).index(b"anything")
        tampered[place : place + 8] = b"anybody!"
        weak = request(rsa.generate_private_key(public_exponent=65537, key_size=1024))
        for csr, message in (
            (bytes(tampered), "not signed with its own key"),
            (weak, "1024 bits"),
            (b"rubbish", "no certificate request"),
        ):
            with self.subTest(message=message), self.assertRaisesRegex(UserError, message):
                self.device._issue_certificate(csr, 365)
        self.assertFalse(self.device.certificate_ids)

    def test_a_certificate_ends_with_the_ca_at_the_latest_and_is_valid_for_a_day_to_ten_years(self):
        self.set_up(name="Short CA", years=1)
        self.assertEqual(self.issue(self.device, days=3650).not_after, self.issuing().not_after)
        for days in (0, -1, 3651):
            with self.subTest(days=days), self.assertRaisesRegex(UserError, "1 to 3650 days"):
                self.issue(self.device, days=days)

    def issuing(self):
        return self.env["iot.certificate.authority"]._issuing()

    def test_only_devices_in_service_that_connect_over_mqtt_get_a_certificate(self):
        polled = self.new_device("T-2", uses_mqtt=False)
        with self.assertRaisesRegex(UserError, "does not connect over MQTT"):
            self.issue(polled)
        self.provision(self.device)
        self.issue(self.device)
        self.device.action_set_maintenance()
        self.issue(self.device)
        self.device.action_reactivate()
        self.device.action_deactivate()
        with self.assertRaisesRegex(UserError, "out of service"):
            self.issue(self.device)
        self.device.action_decommission()
        with self.assertRaisesRegex(UserError, "out of service"):
            self.issue(self.device)

    def test_without_a_ca_the_user_is_told_where_one_is_set_up(self):
        self.authority.state = "retired"
        with self.assertRaisesRegex(UserError, "Configuration → Device CA"):
            self.issue(self.device)

    # ------------------------------------------------------------------ what exists once

    def test_a_key_made_here_is_shown_once_with_its_passphrase(self):
        action = self.open_issuing(self.device, key_source="server")
        self.assertEqual((action["res_model"], action["target"]), ("iot.device.certificate.delivery.wizard", "new"))
        context = action["context"]
        key, certificate, others = pkcs12.load_key_and_certificates(
            base64.b64decode(context["default_pkcs12"]), context["default_passphrase"].encode()
        )
        self.assertEqual(f"{certificate.serial_number:x}", self.device.certificate_id.serial_number)
        self.assertEqual(key.public_key().public_numbers(), certificate.public_key().public_numbers())
        self.assertEqual([f"{other.serial_number:x}" for other in others], [self.authority.serial_number])
        wizard = Form(self.env[action["res_model"]].with_user(self.manager).with_context(**context))
        self.assertEqual((wizard.pkcs12_name, wizard.passphrase), ("TE_T-1.p12", context["default_passphrase"]))
        self.assertEqual(base64.b64decode(wizard.certificate), self.device.certificate_id.certificate_pem.encode())

    def test_neither_key_nor_passphrase_is_in_the_database_even_when_the_window_is_saved(self):
        action = self.open_issuing(self.device, key_source="server")
        context = action["context"]
        self.env[action["res_model"]].with_user(self.manager).with_context(**context).create({})
        self.env.flush_all()
        self.env.cr.precommit.run()
        pkcs12_text = context["default_pkcs12"]
        for secret in (
            context["default_passphrase"],
            pkcs12_text[100:160],
            base64.b64decode(pkcs12_text)[100:140].hex(),
            "PRIVATE KEY",
        ):
            self.assertEqual(self.tables_with(secret), [])
        self.assertIn("iot_device_certificate", self.tables_with(self.device.certificate_id.serial_number))

    def test_neither_key_nor_passphrase_is_in_a_log_or_an_attachment(self):
        attachments = self.env["ir.attachment"].search_count([])
        with self.assertLogs("odoo", logging.DEBUG) as logs:
            context = self.open_issuing(self.device, key_source="server")["context"]
            self.env.flush_all()
        text = "\n".join(logs.output)
        self.assertIn(self.device.certificate_id.serial_number, text)
        self.assertNotIn(context["default_passphrase"], text)
        self.assertNotIn(context["default_pkcs12"][100:160], text)
        self.assertNotIn("PRIVATE KEY", text)
        self.assertEqual(self.env["ir.attachment"].search_count([]), attachments)

    # ------------------------------------------------------------------ renewal

    def test_a_renewed_certificate_overlaps_the_one_it_supersedes(self):
        old = self.issue(self.device)
        new = self.issue(self.device)
        self.assertEqual((old.state, old.superseded_by_id), ("valid", new))
        self.assertEqual(self.device.certificate_id, new)
        self.assertEqual(self.revoked_serials(), [])
        new._revoke("unspecified")
        self.assertTrue(self.device._has_certificate(), "the old one is good until its own end")
        self.assertEqual(self.device.certificate_id, old)

    def test_a_certificate_whose_successor_is_revoked_belongs_to_the_next_good_one_or_is_the_device_s_own_again(self):
        first, second, third = (self.issue(self.device, days=days) for days in (365, 366, 367))
        self.assertEqual((first.superseded_by_id, second.superseded_by_id), (second, third))
        second._revoke("unspecified")
        self.assertEqual(first.superseded_by_id, third)
        third._revoke("unspecified")
        self.assertFalse(first.superseded_by_id)
        self.assertTrue(self.notices(first.not_after - timedelta(days=30)), "its end is to be told again")

    def test_a_renewal_revokes_the_present_one_where_that_is_asked(self):
        old = self.issue(self.device)
        action = self.open_issuing(self.device, csr_text=request().decode(), revoke_previous=True)
        self.assertEqual((old.state, old.revocation_reason), ("revoked", "superseded"))
        self.assertEqual(action["context"]["default_certificate_id"], self.device.certificate_id.id)
        self.assertEqual(self.revoked_serials(), [old.serial_number])
        self.assertTrue(self.device._has_certificate())

    # ------------------------------------------------------------------ revocation

    def revoke(self, certificates, reason="key_compromise", user=None):
        """Press the button and say why."""
        action = certificates.action_revoke()
        wizards = self.env[action["res_model"]].with_user(user or self.manager).with_context(**action["context"])
        return wizards.create({"reason": reason}).action_revoke()

    def test_a_revoked_certificate_is_in_the_list_at_once_with_the_reason(self):
        certificate, number = self.issue(self.device), self.authority.crl_number
        self.revoke(certificate)
        self.assertEqual((certificate.state, certificate.revoked_by_id), ("revoked", self.manager))
        self.assertEqual(self.authority.crl_number, number + 1)
        (entry,) = self.crl()
        self.assertEqual(f"{entry.serial_number:x}", certificate.serial_number)
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        self.assertEqual(reason, x509.ReasonFlags.key_compromise)
        self.assertEqual(self.device.certificate_status, "revoked")
        self.assertIn("was revoked", self.device.message_ids[:1].body)

    def test_a_certificate_is_revoked_once(self):
        certificate = self.issue(self.device)
        self.revoke(certificate)
        moment, number = certificate.revoked_at, self.authority.crl_number
        with freeze_time(fields.Datetime.now() + timedelta(days=1)):
            certificate._revoke("unspecified")
            with self.assertRaisesRegex(UserError, "Only a valid certificate"):
                self.revoke(certificate)
        self.assertEqual((certificate.revoked_at, certificate.revocation_reason), (moment, "key_compromise"))
        self.assertEqual(self.authority.crl_number, number)

    def test_where_the_list_cannot_be_signed_the_certificate_is_revoked_nevertheless_and_an_alert_says_so(self):
        certificate = self.issue(self.device)
        self.env["iot.certificate.authority"]._keys().remove(self.authority.fingerprint)
        self.revoke(certificate)
        self.assertEqual(certificate.state, "revoked")
        self.assertIn("put the file back", self.authority.crl_error)
        self.assertEqual(self.authority._open_crl_alert().severity, "critical")

    def test_a_device_that_is_called_otherwise_needs_a_new_certificate_and_the_old_one_is_revoked(self):
        certificate = self.issue(self.device)
        self.device.device_id = "T-9"
        self.assertEqual((certificate.state, certificate.revocation_reason), ("revoked", "superseded"))
        self.assertFalse(self.device._has_certificate())
        self.assertEqual(self.issue(self.device).cn, "TE_T-9")

    def test_certificates_of_a_decommissioned_or_deleted_device_stay_in_the_list(self):
        deleted = self.new_device("T-2")
        certificates = (self.issue(self.device) | self.issue(deleted)).sudo()
        serials = certificates.mapped("serial_number")
        self.device.action_decommission()
        deleted.with_user(self.admin).unlink()
        self.assertEqual(set(certificates.mapped("revocation_reason")), {"cessation_of_operation"})
        self.assertEqual(sorted(self.revoked_serials()), sorted(serials))

    # ------------------------------------------------------------------ at the broker

    def certificate_device(self, device_id):
        """A device in service that identifies itself by a certificate.

        One of its own for every test: the broker forgets it after the last.
        """
        device = self.new_device(device_id, auth_method="certificate")
        device.action_provision()
        return device

    def test_the_first_certificate_of_a_device_in_service_makes_its_user_at_the_broker(self):
        device = self.certificate_device("T-20")
        self.assertIsNone(self.at_broker(device))
        self.issue(device)
        found = self.at_broker(device)
        self.assertTrue(found.enabled)
        self.assertIn(device.data_topic, found.publish)

    def test_revoking_the_only_certificate_takes_the_user_s_rights_at_the_broker_in_the_same_action(self):
        device = self.certificate_device("T-21")
        certificate = self.issue(device)
        self.revoke(certificate)
        found = self.at_broker(device)
        self.assertFalse(found and found.enabled)

    def test_revoking_one_of_two_certificates_keeps_the_user_and_ends_its_connection(self):
        device = self.certificate_device("T-22")
        old, new = self.issue(device), self.issue(device)
        self.revoke(old)
        self.assertTrue(self.at_broker(device).enabled)
        entry = self.env["iot.provisioning.entry"].search([("username", "=", device.mqtt_username)], limit=1)
        self.assertEqual((entry.state, entry.effect), ("waiting", "disconnect"))
        self.assertTrue(new._is_good(fields.Datetime.now()))

    def test_a_device_with_a_password_is_disconnected_too_when_its_certificate_is_revoked(self):
        self.provision(self.device)
        self.revoke(self.issue(self.device))
        entry = self.env["iot.provisioning.entry"].search([("username", "=", self.device.mqtt_username)], limit=1)
        self.assertEqual((entry.state, entry.effect), ("waiting", "disconnect"))

    def test_which_devices_may_connect_is_found_without_a_query_for_each(self):
        devices = self.env["iot.device"]
        for number in range(12):
            devices |= self.certificate_device(f"T-4{number}")
            self.issue(devices[-1:])

        def queries(asked):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            users = asked._broker_users()
            self.assertTrue(all(users.values()))
            return self.env.cr.sql_log_count - before

        queries(devices)  # what is looked up once
        self.assertEqual(queries(devices), queries(devices[:2]))

    # ------------------------------------------------------------------ rights

    def test_users_see_certificates_of_their_farms_and_issue_and_revoke_none(self):
        certificate = self.issue(self.device)
        self.assertEqual(certificate.with_user(self.user).read(["cn", "state"])[0]["state"], "valid")
        for action in (
            lambda: self.device.with_user(self.user)._issue_certificate(request(), 365),
            lambda: certificate.with_user(self.user)._revoke("unspecified"),
            lambda: self.open_issuing(self.device.with_user(self.user), user=self.user, csr_text="x"),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                action()
        self.assertEqual(certificate.state, "valid")

    def test_managers_neither_see_nor_touch_certificates_of_farms_that_they_do_not_see(self):
        there = self.new_device("T-2", farm=self.valley, user=self.admin)
        certificate = self.issue(there)
        certificates = self.env["iot.device.certificate"].with_user(self.manager)
        self.assertFalse(certificates.search([("id", "=", certificate.id)]))
        for action in (
            lambda: there.with_user(self.manager)._issue_certificate(request(), 365),
            lambda: certificate.with_user(self.manager)._revoke("unspecified"),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                action()

    def test_nobody_writes_a_certificate_as_he_likes(self):
        certificate = self.issue(self.device)
        for user in (self.manager, self.admin):
            mine = certificate.with_user(user)
            for action in (
                lambda mine=mine: mine.write({"revoked_at": False}),
                lambda mine=mine: mine.with_context(iot_device_action=True).write({"cn": "MI_OTHER"}),
                lambda mine=mine: mine.copy(),
                mine.unlink,
            ):
                with self.assertRaises(UserError), self.env.cr.savepoint():
                    action()

    def test_a_manager_reads_a_certificate_s_form_though_the_ca_is_not_for_him(self):
        certificate = self.issue(self.device).with_user(self.manager)
        (values,) = certificate.web_read({"authority_id": {"fields": {"display_name": {}}}, "state": {}})
        self.assertEqual(values["authority_id"]["display_name"], "Device CA")
        with self.assertRaises(AccessError):
            self.authority.with_user(self.manager).read(["name"])

    # ------------------------------------------------------------------ reminders

    def notices(self, now):
        """Let the reminders of a moment go out; returns what the device's chatter got of them."""
        before = self.device.message_ids
        self.env["iot.device.certificate"]._give_notices(now)
        return [message.body for message in self.device.message_ids - before if "expire" in message.body]

    def reminders(self):
        kind = self.env.ref("smart_dairy_iot.activity_certificate_expiry")
        return self.device.activity_ids.filtered(lambda activity: activity.activity_type_id == kind)

    def test_whoever_is_responsible_is_reminded_30_7_and_1_days_before_the_end_once_each_and_at_the_end(self):
        end = self.issue(self.device, days=365).not_after
        hour = timedelta(hours=1)
        for days, text in ((30, "in 30 days"), (7, "in 7 days"), (1, "within a day"), (0, "has expired")):
            moment = end - timedelta(days=days)
            self.assertEqual(self.notices(moment - hour), [])
            (body,) = self.notices(moment)
            self.assertIn(text, body)
            self.assertEqual(self.notices(moment + hour), [])
            self.assertEqual(self.reminders().user_id, self.manager, "who issued it")
            self.assertEqual(self.reminders().date_deadline, end.date())

    def test_after_a_pause_only_the_latest_reminder_is_given(self):
        end = self.issue(self.device, days=365).not_after
        (body,) = self.notices(end - timedelta(days=3))
        self.assertIn("in 3 days", body)

    def test_the_managers_named_for_the_farm_are_reminded_before_who_issued_it(self):
        there = self.new_device("T-2", farm=self.valley, user=self.admin)
        self.valley.user_ids |= self.user
        self.device = there
        self.notices(self.issue(there).not_after - timedelta(days=7))
        self.assertEqual(self.reminders().user_id, self.admin)

    def test_a_certificate_that_was_renewed_or_revoked_reminds_of_nothing(self):
        old = self.issue(self.device, days=100)
        self.assertTrue(self.notices(old.not_after - timedelta(days=30)))
        new = self.issue(self.device)
        self.assertFalse(self.reminders(), "what was asked for is done")
        self.assertEqual(self.notices(old.not_after), [])
        (old | new)._revoke("unspecified")
        self.assertEqual(self.notices(new.not_after), [])

    def test_when_the_last_certificate_expires_the_broker_is_told(self):
        device = self.certificate_device("T-23")
        certificate = self.issue(device, days=10)
        entries = self.env["iot.provisioning.entry"].search([("username", "=", device.mqtt_username)])
        with freeze_time(certificate.not_after):
            self.env["iot.device.certificate"]._give_notices(fields.Datetime.now())
            self.assertFalse(device._has_certificate())
        new = self.env["iot.provisioning.entry"].search([("username", "=", device.mqtt_username)]) - entries
        self.assertEqual((new.state, new.effect), ("waiting", "disconnect"))


@tagged("post_install", "-at_install")
class TestCertificatesInTheBrowser(CertificateCase, ScreenCase):
    def test_a_key_made_here_is_saved_by_the_browser_which_keeps_neither_it_nor_the_passphrase(self):
        device = self.new_device("SCREEN-2")
        script = """
            (await shown(".o_form_view .o_notebook .nav-link", "Certificates")).click();
            (await shown("button[name=action_issue_certificate]", "Issue Certificate")).click();
            (await shown(".modal label", "Make a key for the device")).click();
            (await shown(".modal footer button", "Issue")).click();
            const field = await shown(".modal [name=passphrase]");
            const [passphrase] = field.innerText.trim().split(/\\s/); // behind it may be the text of the copy button
            const saved = [];
            const createObjectURL = URL.createObjectURL;
            URL.createObjectURL = (file) => {
                saved.push(file);
                return createObjectURL.call(URL, file);
            };
            (await shown(".modal [name=pkcs12] button", "TE_SCREEN-2.p12")).click();
            await until(() => saved.length, "the file is saved");
            const bytes = new Uint8Array(await saved[0].arrayBuffer());
            if (bytes[0] !== 0x30 || bytes.length < 1000) {
                throw new Error(`this is no PKCS#12: ${bytes}`); // it begins as every ASN.1 sequence
            }
            const kept = [...Object.values(sessionStorage), ...Object.values(localStorage), location.href];
            if (passphrase.length !== 22 || kept.some((text) => text.includes(passphrase))) {
                throw new Error(`no passphrase, or the browser keeps it: ${passphrase.length}`);
            }
            (await shown(".modal footer button", "Done")).click();
            await shown("button[name=action_issue_certificate]", "Renew Certificate");
        """
        self.run_in_browser(f"/web#action=smart_dairy_iot.iot_device_action&view_type=form&id={device.id}", script)
        self.assertEqual(device.certificate_ids.mapped("state"), ["valid"])
