"""The device CA: set up by administrators, its key in a file alone, its list renewed in time and published."""

import base64
import json
import logging
import os
import stat
from datetime import timedelta

from cryptography import x509
from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .certificates import CRL_ADDRESS, CertificateCase, own_authority
from .screens import ScreenCase


@tagged("post_install", "-at_install")
class TestCertificateAuthority(CertificateCase):
    # ------------------------------------------------------------------ setting up

    def test_a_new_ca_issues_and_has_an_empty_list_at_the_address_that_was_given(self):
        self.assertEqual(self.authority.state, "issuing")
        self.assertEqual(self.authority.crl_url, f"{CRL_ADDRESS}/iot/crl/{self.authority.id}.pem")
        self.assertEqual(self.revoked_serials(), [])
        self.assertEqual(self.authority.crl_next_update, self.authority.crl_signed_at + timedelta(days=7))
        self.assertAlmostEqual(
            self.authority.not_after, fields.Datetime.now() + timedelta(days=3650), delta=timedelta(minutes=5)
        )

    def test_the_key_is_in_a_file_of_the_server_s_user_and_not_in_the_database(self):
        path = self.key_file(self.authority)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.keys).st_mode), 0o700)
        with open(path) as file:
            self.assertIn("PRIVATE KEY", file.read())

    def test_key_and_passphrase_of_an_imported_ca_are_in_no_table_and_no_log(self):
        files = own_authority(fields.Datetime.now())
        with self.assertLogs("odoo", logging.DEBUG) as logs:
            with self.assertRaisesRegex(UserError, "has no passphrase"):
                self.set_up(source="import", passphrase="never-to-be-seen", **files)
            authority = self.set_up(source="import", **files)
            self.env.flush_all()
        key = base64.b64decode(files["key_file"]).decode().splitlines()[1]
        text = "\n".join(logs.output)
        self.assertIn(authority.fingerprint, text)
        for secret in ("never-to-be-seen", key, files["key_file"].decode()[40:100]):
            self.assertNotIn(secret, text)
            self.assertFalse(self.rows_with(secret))
        self.assertTrue(self.rows_with(authority.fingerprint))

    def rows_with(self, text):
        self.env.cr.execute(
            "SELECT 1 FROM iot_certificate_authority AS row WHERE row::text LIKE %(text)s"
            " UNION SELECT 1 FROM iot_certificate_authority_wizard AS row WHERE row::text LIKE %(text)s"
            " UNION SELECT 1 FROM mail_message AS row WHERE row::text LIKE %(text)s"
            " UNION SELECT 1 FROM ir_attachment AS row WHERE row::text LIKE %(text)s",
            {"text": f"%{text}%"},
        )
        return self.env.cr.fetchall()

    def test_a_ca_that_follows_retires_the_one_before_whose_certificates_stay_good(self):
        device = self.new_device()
        old_certificate = self.issue(device)
        new = self.set_up(name="Next CA")
        self.assertEqual((self.authority.state, new.state), ("retired", "issuing"))
        new_certificate = self.issue(device)
        self.assertEqual((old_certificate.authority_id, new_certificate.authority_id), (self.authority, new))
        old_certificate._revoke("superseded")
        self.assertEqual(self.revoked_serials(self.authority), [old_certificate.serial_number])
        self.assertEqual(self.revoked_serials(new), [])

    def test_an_imported_ca_issues(self):
        authority = self.set_up(source="import", name="Own", **own_authority(fields.Datetime.now()))
        certificate = self.issue(self.new_device())
        issuer = x509.load_pem_x509_certificate(certificate.certificate_pem.encode()).issuer
        self.assertEqual(issuer.rfc4514_string(), "CN=Own CA")
        self.assertEqual(certificate.authority_id, authority)

    def test_files_that_cannot_serve_are_refused_in_words_and_nothing_is_changed(self):
        now = fields.Datetime.now()
        own, other = own_authority(now), own_authority(now)
        expired = own_authority(now - timedelta(days=20), days=10)
        for files, message in (
            ({**own, "key_file": other["key_file"]}, "key is not that of the certificate"),
            (expired, "not valid now"),
            ({**own, "certificate_file": False}, "certificate and its private key"),
            ({**own, "certificate_file": base64.b64encode(b"rubbish")}, "no X.509 certificate"),
        ):
            with self.subTest(message=message), self.assertRaisesRegex(UserError, message):
                self.set_up(source="import", **files)
        self.assertEqual(self.authority.state, "issuing")
        self.assertEqual(os.listdir(self.keys), [f"{self.authority.fingerprint}.key"])

    def test_the_same_ca_is_not_imported_twice_but_puts_back_a_key_that_is_missing(self):
        files = own_authority(fields.Datetime.now())
        authority = self.set_up(source="import", **files)
        with self.assertRaisesRegex(UserError, "is here already"):
            self.set_up(source="import", **files)
        os.unlink(self.key_file(authority))
        authority.invalidate_recordset()
        self.assertEqual(self.set_up(source="import", **files), authority)
        authority.invalidate_recordset()
        self.assertFalse(authority.key_problem)

    def test_brokers_fetch_lists_over_http_so_no_other_address_is_taken(self):
        for address in ("https://dairy.example", "dairy.example", "http://dairy.example/odoo", "http://"):
            with self.subTest(address=address), self.assertRaisesRegex(UserError, "over http alone"):
                self.set_up(crl_address=address)

    def test_a_missing_key_is_told_where_it_is_needed_and_on_the_ca_s_form(self):
        os.unlink(self.key_file(self.authority))
        with self.assertRaisesRegex(UserError, "put the file back from its backup"):
            self.issue(self.new_device())
        self.authority.invalidate_recordset()
        self.assertIn(self.key_file(self.authority), self.authority.key_problem)

    def test_a_key_that_others_can_read_is_not_used(self):
        os.chmod(self.key_file(self.authority), 0o644)
        with self.assertRaisesRegex(UserError, "chmod 600"):
            self.issue(self.new_device())

    # ------------------------------------------------------------------ rights

    def test_only_administrators_see_and_set_up_the_ca_and_nobody_writes_what_it_has_signed(self):
        for user in (self.user, self.manager):
            for action in (
                lambda user=user: self.set_up(user=user),
                lambda user=user: self.authority.with_user(user).read(["name"]),
                lambda user=user: self.authority.with_user(user).action_renew_crl(),
            ):
                with self.assertRaises(AccessError), self.env.cr.savepoint():
                    action()
        mine = self.authority.with_user(self.admin)
        mine.write({"name": "Renamed"})
        mine.action_renew_crl()
        for values in ({"crl_pem": "x"}, {"state": "retired"}, {"certificate_pem": "x"}, {"crl_number": 0}):
            with self.subTest(values=values), self.assertRaises(UserError):
                mine.write(values)
        for action in (mine.unlink, mine.copy):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                action()

    # ------------------------------------------------------------------ the list in time

    def renewed_at(self, moment):
        """Whether the scheduled action renews the list at a moment."""
        number = self.authority.crl_number
        with freeze_time(moment):
            self.env["iot.certificate.authority"]._cron_renew_crls()
        return self.authority.crl_number - number

    def test_the_list_is_renewed_when_half_of_its_time_has_passed(self):
        signed = self.authority.crl_signed_at
        self.assertEqual(self.renewed_at(signed + timedelta(days=3.4)), 0)
        self.assertEqual(self.renewed_at(signed + timedelta(days=3.5)), 1)
        self.assertEqual(self.authority.crl_next_update, signed + timedelta(days=10.5))
        self.assertEqual(self.renewed_at(signed + timedelta(days=3.6)), 0)

    def test_the_scheduled_actions_run(self):
        for name in ("cron_renew_crls", "cron_certificate_notices"):
            cron = self.env.ref(f"smart_dairy_iot.{name}")
            self.assertTrue(cron.active)
            cron.ir_actions_server_id.run()

    def test_a_retired_ca_s_list_is_renewed_until_its_end(self):
        self.set_up(name="Next CA")
        self.assertEqual(self.renewed_at(self.authority.not_after - timedelta(days=1)), 1)
        self.assertEqual(self.renewed_at(self.authority.not_after + timedelta(days=10)), 0)

    def test_a_list_that_cannot_be_renewed_raises_one_alert_that_is_resolved_once_it_can(self):
        path, moment = self.key_file(self.authority), self.authority.crl_signed_at + timedelta(days=4)
        os.rename(path, path + ".away")
        self.assertEqual(self.renewed_at(moment), 0)
        self.assertEqual(self.renewed_at(moment + timedelta(hours=1)), 0)
        alert = self.authority._open_crl_alert()
        self.assertEqual((len(alert), alert.severity, alert.event_id.kind), (1, "critical", "crl_not_renewed"))
        self.assertNotIn(self.keys, alert.message, "where the key lies is not everybody's to know")
        os.rename(path + ".away", path)
        self.assertEqual(self.renewed_at(moment + timedelta(hours=2)), 1)
        self.assertEqual((alert.state, self.authority.crl_error), ("resolved", False))

    def test_a_revocation_leaves_the_list_after_the_certificate_s_own_end(self):
        certificate = self.issue(self.new_device(), days=10)
        certificate._revoke("unspecified")
        self.assertEqual(self.renewed_at(certificate.not_after + timedelta(days=1)), 1)
        self.assertEqual(self.revoked_serials(), [certificate.serial_number])
        self.assertEqual(self.renewed_at(certificate.not_after + timedelta(days=8)), 1)
        self.assertEqual(self.revoked_serials(), [])

    # ------------------------------------------------------------------ its end

    def test_administrators_are_told_early_that_the_ca_expires(self):
        end = self.authority.not_after
        kind = self.env.ref("smart_dairy_iot.activity_authority_expiry")
        for days, text in (
            (180, "in 180 days"),
            (30, "in 30 days"),
            (7, "in 7 days"),
            (1, "within a day"),
            (0, "expired"),
        ):
            for moment, count in ((end - timedelta(days=days), 1), (end - timedelta(days=days - 0.1), 0)):
                before = self.authority.message_ids
                self.env["iot.certificate.authority"]._give_notices(moment)
                bodies = [body for body in (self.authority.message_ids - before).mapped("body") if text in body]
                self.assertEqual(len(bodies), count, text)
            activities = self.authority.activity_ids.filtered(lambda activity: activity.activity_type_id == kind)
            self.assertIn(self.admin, activities.user_id)
            self.assertNotIn(self.manager, activities.user_id)
            self.assertEqual(len(activities), len(activities.user_id), "one for each")


@tagged("post_install", "-at_install")
class TestPublishedLists(CertificateCase, ScreenCase):
    def test_brokers_fetch_the_list_as_pem_and_as_der_without_a_session(self):
        certificate = self.issue(self.new_device())
        certificate._revoke("key_compromise")
        address = f"/iot/crl/{self.authority.id}"
        pem, der = self.url_open(f"{address}.pem"), self.url_open(f"{address}.crl")
        self.assertEqual(pem.headers["Content-Type"], "application/x-pem-file")
        self.assertEqual(der.headers["Content-Type"], "application/pkix-crl")
        for crl in (x509.load_pem_x509_crl(pem.content), x509.load_der_x509_crl(der.content)):
            self.assertEqual([f"{entry.serial_number:x}" for entry in crl], [certificate.serial_number])
        self.assertNotIn("Set-Cookie", pem.headers)

    def test_a_list_is_cached_for_a_minute_at_most_and_not_beyond_the_time_at_which_it_should_be_renewed(self):
        address = f"/iot/crl/{self.authority.id}.pem"
        self.assertEqual(self.url_open(address).headers["Cache-Control"], "public, max-age=60")
        self.authority.crl_renewal_at = fields.Datetime.now() - timedelta(hours=1)
        self.assertEqual(self.url_open(address).headers["Cache-Control"], "public, max-age=0")

    def test_one_file_each_has_the_lists_and_the_certificates_of_all_cas_that_have_not_expired(self):
        self.set_up(name="Next CA")
        count = self.env["iot.certificate.authority"].search_count([("not_after", ">", fields.Datetime.now())])
        self.assertEqual(self.url_open("/iot/crl/devices.pem").text.count("BEGIN X509 CRL"), count)
        self.assertEqual(self.url_open("/iot/ca/devices.pem").text.count("BEGIN CERTIFICATE"), count)
        self.assertNotIn("PRIVATE", self.url_open("/iot/ca/devices.pem").text)

    def test_what_is_not_there_is_not_found(self):
        for address in ("/iot/crl/999999999.pem", "/iot/crl/999999999.crl", "/iot/crl/x.pem"):
            self.assertEqual(self.url_open(address).status_code, 404)

    def test_a_ca_is_imported_in_the_browser_which_shows_the_name_of_the_key_s_file_and_not_the_key(self):
        files = {name: content.decode() for name, content in own_authority(fields.Datetime.now()).items()}
        script = """
            const upload = async (field) => {
                const input = await until(
                    () => document.querySelector(`.modal [name=${field}] input[type=file]`), field
                );
                const content = Uint8Array.from(atob(files[field]), (char) => char.charCodeAt(0));
                const chosen = new DataTransfer();
                chosen.items.add(new File([content], `${field}.pem`));
                input.files = chosen.files;
                input.dispatchEvent(new Event("change", { bubbles: true }));
                await until(
                    () => [...document.querySelectorAll(`.modal [name=${field}] input`)].some(
                        (shown) => shown.value === `${field}.pem`
                    ),
                    `the name of ${field}`
                );
            };
            (await shown("button", "Set Up a Device CA")).click();
            (await shown(".modal label", "Use a CA made elsewhere")).click();
            await upload("certificate_file");
            await upload("key_file");
            if ([...document.querySelectorAll(".modal input")].some((input) => input.value.includes("LS0t"))) {
                throw new Error("the key is on the screen");
            }
            (await shown(".modal footer button", "Set Up")).click();
            await until(() => !document.querySelector(".modal"), "the window closed");
            await shown(".o_form_view button[name=action_renew_crl]");
        """
        self.run_in_browser(
            "/web#action=smart_dairy_iot.iot_certificate_authority_action",
            f"const files = {json.dumps(files)}; {script}",
        )
        issuing = self.env["iot.certificate.authority"]._issuing()
        self.assertEqual(base64.b64encode(issuing.certificate_pem.encode()).decode(), files["certificate_file"])
