"""A device downloads with its own credentials what a roll-out sent it to fetch, whole or in parts, and nothing else."""

from unittest.mock import patch

from odoo.tests import tagged

from .api import ApiCase
from .firmware import CONTENT, FirmwareCase

PATH = "/devices/T-1/firmware/2.0"


@tagged("post_install", "-at_install")
class TestFirmwareDownload(FirmwareCase, ApiCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_device("T-1")
        self.credentials = self.basic(self.device, self.provision(self.device))
        self.rollout = self.new_rollout(self.device)
        self.rollout.action_start()
        self.step(self.rollout)

    def get(self, path=PATH, caller=None, **headers):
        names = {name: name.replace("_", "-") for name in headers}
        return self.call(
            "GET", path, caller or self.credentials, headers={names[name]: headers[name] for name in headers}
        )

    def test_the_whole_file_comes_with_its_checksum_as_entity_tag(self):
        response = self.get()
        self.assertEqual((response.status_code, response.content), (200, CONTENT))
        self.assertEqual(response.headers["ETag"], f'"{self.firmware.sha256}"')
        self.assertEqual(response.headers["Accept-Ranges"], "bytes")
        self.assertEqual(response.headers["Content-Type"], "application/octet-stream")
        self.assertEqual(self.rollout.line_ids.state, "downloading")

    def test_the_file_is_never_in_memory_as_a_whole(self):
        whole = AssertionError("read as a whole")
        with patch.object(self.registry["ir.attachment"], "_file_read", side_effect=whole):
            self.assertEqual(self.get().content, CONTENT)
            self.assertEqual(self.get(Range="bytes=0-9").content, CONTENT[:10])

    def test_the_address_is_the_one_that_the_command_tells(self):
        url = self.rollout.sudo().line_ids.device_command_id.parameters["url"]
        self.assertTrue(url.endswith(f"/api/v1/iot{PATH}"), url)

    def test_a_range_is_a_part_of_it(self):
        for asked, first, last in (
            ("bytes=0-99", 0, 99),
            ("bytes=10000-", 10_000, 10_239),
            ("bytes=-240", 10_000, 10_239),
            ("bytes=10000-99999", 10_000, 10_239),
            ("bytes=-99999", 0, 10_239),
            ("bytes=0-0", 0, 0),
        ):
            with self.subTest(asked=asked):
                response = self.get(Range=asked)
                self.assertEqual((response.status_code, response.content), (206, CONTENT[first : last + 1]))
                self.assertEqual(response.headers["Content-Range"], f"bytes {first}-{last}/10240")

    def test_the_parts_together_are_the_file(self):
        parts = [self.get(Range=f"bytes={start}-{start + 999}").content for start in range(0, len(CONTENT), 1000)]
        self.assertEqual(b"".join(parts), CONTENT)

    def test_a_range_beyond_its_end_is_answered_with_its_length(self):
        for asked in ("bytes=10240-", "bytes=-0", "bytes=5-2"):
            with self.subTest(asked=asked):
                response = self.get(Range=asked)
                self.assertError(response, 416, "range_not_satisfiable")
                self.assertEqual(response.headers["Content-Range"], "bytes */10240")

    def test_what_is_no_single_range_of_bytes_is_ignored(self):
        for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=", "nonsense", f"bytes=-{'9' * 30}"):
            with self.subTest(asked=asked):
                response = self.get(Range=asked)
                self.assertEqual((response.status_code, len(response.content)), (200, len(CONTENT)))

    def test_it_goes_on_only_with_the_very_file_that_it_began_with(self):
        same = self.get(Range="bytes=5-", If_Range=f'"{self.firmware.sha256}"')
        self.assertEqual((same.status_code, same.content), (206, CONTENT[5:]))
        other = self.get(Range="bytes=5-", If_Range='"another"')
        self.assertEqual((other.status_code, other.content), (200, CONTENT))
        self.assertEqual(self.get(If_None_Match=f'"{self.firmware.sha256}"').status_code, 304)

    def test_without_good_credentials_it_gets_nothing(self):
        self.assertError(self.call("GET", PATH, None), 401, "unauthorized")
        self.assertError(self.get(caller=self.basic(self.device, "wrong")), 401, "unauthorized")

    def test_no_other_device_and_no_user_gets_it(self):
        other = self.new_device("T-2")
        credentials = self.basic(other, self.provision(other))
        self.assertError(self.get(caller=credentials), 404, "not_found")
        self.assertError(self.get("/devices/T-2/firmware/2.0", caller=credentials), 404, "not_found")
        for user in ("user", "manager", "admin"):
            self.assertError(self.get(caller=user), 403, "forbidden")

    def test_what_it_is_not_to_install_it_does_not_get(self):
        other = self.new_firmware("2.1")
        self.assertError(self.get("/devices/T-1/firmware/2.1"), 404, "not_found")
        other.action_release()
        self.assertError(self.get("/devices/T-1/firmware/2.1"), 404, "not_found")
        self.assertError(self.get("/devices/T-1/firmware/9"), 404, "not_found")

    def test_once_it_has_ended_or_the_firmware_is_withdrawn_there_is_nothing_to_get(self):
        line = self.rollout.sudo().line_ids
        self.acknowledge(line, "failed")
        self.assertError(self.get(), 404, "not_found")
        line.write({"state": "downloading"})
        self.assertEqual(self.get().status_code, 200)
        self.firmware.action_withdraw()
        self.assertError(self.get(), 404, "not_found")
