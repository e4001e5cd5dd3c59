"""Labels: what is on them, what is not, and who gets them."""

import io
import re

import qrcode
from PyPDF2 import PdfReader

from odoo.exceptions import AccessError
from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged

from ..labels import MASK, QUIET_MODULES, Label, draw_labels, qr_modules
from .common import IotCase

URL = "https://dairy.example.com/iot/claim/K7M2X-9QWRT-4VHZP"


def pages_of(pdf):
    return PdfReader(io.BytesIO(pdf)).pages


def drawn_codes(page):
    """The modules of every QR code on a page, from the rectangles that are drawn."""
    content = page.get_contents().get_data().decode("latin-1")
    codes = []
    for block in re.findall(r"((?:\d+ \d+ \d+ 1 re\s*)+)f\b", content):
        runs = [tuple(map(int, run)) for run in re.findall(r"(\d+) (\d+) (\d+) 1 re", block)]
        count = 1 + max(y for _x, y, _length in runs)
        modules = [[False] * count for _row in range(count)]
        for x, y, length in runs:
            for column in range(x, x + length):
                modules[count - 1 - y][column] = True
        codes.append(modules)
    return codes


def expected_modules(text):
    """The same code by another maker's encoder."""
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, mask_pattern=MASK, border=QUIET_MODULES)
    code.add_data(text, optimize=0)
    code.make()
    return [[bool(dark) for dark in row] for row in code.modules]


class TestDrawing(TransactionCase):
    def label(self, **values):
        return Label(
            **{
                "device_id": "MM001",
                "name": "Parlour meter",
                "username": "MI_MM001",
                "claim_code": "K7M2X-9QWRT-4VHZP",
                "url": URL,
                **values,
            }
        )

    def test_the_qr_code_says_the_claim_address(self):
        for text in (
            URL,
            "http://localhost:8069/iot/claim/00000-00000-00000",
            f"https://{'a' * 180}.example/iot/claim/x",
        ):
            self.assertEqual(qr_modules(text), expected_modules(text))
            (drawn,) = drawn_codes(pages_of(draw_labels([self.label(url=text)]))[0])
            self.assertEqual(drawn, expected_modules(text))

    def test_a_label_has_name_id_user_name_and_claim_code(self):
        (page,) = pages_of(draw_labels([self.label()]))
        text = page.extract_text()
        for expected in ("MM001", "Parlour meter", "MI_MM001", "K7M2X-9QWRT-4VHZP"):
            self.assertIn(expected, text)

    def test_a_sheet_has_twenty_four_labels(self):
        labels = [self.label(device_id=f"MM{number:03}", url=f"{URL}{number:03}") for number in range(50)]
        pages = pages_of(draw_labels(labels))
        self.assertEqual([len(drawn_codes(page)) for page in pages], [24, 24, 2])
        self.assertEqual(drawn_codes(pages[1])[0], expected_modules(f"{URL}024"))
        self.assertEqual([round(float(side)) for side in pages[0].mediabox[2:]], [595, 842])

    def test_long_and_foreign_names_fit_or_are_cut(self):
        name = "Überaus langer Gerätename " * 8
        (page,) = pages_of(draw_labels([self.label(name=name, device_id="M" * 64, username="MI_" + "M" * 64)]))
        text = page.extract_text()
        self.assertIn("Überaus", text)
        self.assertIn("…", text)


class TestLabelsOfDevices(IotCase):
    def test_a_label_carries_no_password_and_no_hash(self):
        device = self.new_device()
        password = self.provision(device)
        (label,) = device.with_user(self.manager)._labels()
        self.assertEqual(label.url, f"{device.get_base_url()}/iot/claim/{device.with_user(self.manager).claim_code}")
        self.assertNotIn(password, str(label))
        self.assertNotIn(device.sudo().mqtt_password_hash, str(label))

    def test_many_devices_have_labels_with_a_code_each(self):
        devices = self.new_device("T-1") | self.new_device("T-2")
        labels = devices.with_user(self.manager)._labels()
        self.assertEqual([label.device_id for label in labels], ["T-1", "T-2"])
        self.assertEqual(len({label.url for label in labels}), 2)

    def test_the_action_asks_for_the_labels_of_all_chosen_devices(self):
        devices = self.new_device("T-1") | self.new_device("T-2")
        self.assertEqual(devices.action_print_labels()["params"], {"device_ids": devices.ids})
        with self.assertRaises(AccessError):
            devices.with_user(self.user).action_print_labels()


@tagged("post_install", "-at_install")
class TestLabelsOverHttp(HttpCase):
    def setUp(self):
        super().setUp()
        for role in ("user", "manager"):
            new_test_user(self.env, f"label_{role}", f"smart_dairy_farm.group_farm_{role}", password=f"label_{role}")
        farm = self.env["farm.location"].create({"name": "Label Farm", "code": "LABEL", "tz": "UTC"})
        closed = self.env["farm.location"].create(
            {"name": "Closed", "code": "CLOSED", "tz": "UTC", "user_ids": [(6, 0, self.env.ref("base.user_admin").ids)]}
        )
        self.open_device, self.closed_device, self.waiting_device = self.env["iot.device"].create(
            [
                {"name": "Open", "device_id": "LABEL-1", "device_type": "gate", "farm_id": farm.id},
                {"name": "Closed", "device_id": "LABEL-2", "device_type": "gate", "farm_id": closed.id},
                {"name": "Waiting", "device_id": "LABEL-3", "device_type": "gate"},
            ]
        )

    def ask(self, login, devices, ids=None):
        self.authenticate(login, login)
        token = self.csrf_token()
        ids = ids or ",".join(map(str, devices.ids))
        return self.url_open("/iot/labels", data={"ids": ids, "csrf_token": token})

    def test_without_devices_it_is_a_bad_request(self):
        self.authenticate("label_manager", "label_manager")
        answer = self.url_open("/iot/labels", data={"csrf_token": self.csrf_token()})
        self.assertEqual(answer.status_code, 400)

    def csrf_token(self):
        return re.search(r'csrf_token: "(\w+)"', self.url_open("/web").text)[1]

    def test_a_manager_gets_the_labels_of_the_devices_that_he_sees(self):
        answer = self.ask("label_manager", self.open_device | self.closed_device | self.waiting_device)
        self.assertEqual(answer.headers["Content-Type"], "application/pdf")
        (page,) = pages_of(answer.content)
        self.assertEqual(len(drawn_codes(page)), 1)
        self.assertIn("LABEL-1", page.extract_text())

    def test_nothing_for_others(self):
        self.assertEqual(self.ask("label_user", self.open_device).status_code, 403)
        self.assertEqual(self.ask("label_manager", self.closed_device).status_code, 404)
        self.assertEqual(self.ask("label_manager", None, ids="1;drop").status_code, 400)
        self.assertNotEqual(self.url_open("/iot/labels").status_code, 200, "an address gets no labels")
        self.assertEqual(
            self.url_open("/iot/labels", data={"ids": str(self.open_device.id)}).status_code, 400, "no token"
        )
