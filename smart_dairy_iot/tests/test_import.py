"""Devices are imported from a file: all of them, once every row is good, or none."""

import base64
import csv
import io

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..device_import.columns import COLUMNS, template_file
from ..device_import.rows import DeviceRows
from ..device_import.table_file import Table, read_table
from .common import IotCase

MINIMUM = {"device_id": "IMP-1", "device_type": "temperature", "name": "Imported", "farm": "HILL"}


class ImportCase(IotCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pen = cls.env["farm.pen"].create({"name": "Parlour", "code": "P1", "farm_id": cls.hill.id})

    def wizard(self, *rows, user=None, content=None):
        """The wizard with a file of these rows (dicts), each with MINIMUM's values where it has none."""
        if content is None:
            rows = [{**MINIMUM, **row} for row in rows]
            columns = [column.name for column in COLUMNS if any(column.name in row for row in rows)]
            output = io.StringIO(newline="")
            csv.writer(output).writerows([columns, *([row.get(name, "") for name in columns] for row in rows)])
            content = output.getvalue().encode()
        wizards = self.env["iot.device.import.wizard"].with_user(user or self.manager)
        return wizards.create({"file": base64.b64encode(content), "file_name": "devices.csv"})

    def imported(self):
        return self.env["iot.device"].search([("device_id", "=like", "IMP-%")], order="device_id")

    def errors(self, *rows, user=None):
        """[(row, column, message)] of these rows."""
        wizard = self.wizard(*rows, user=user)
        wizard.action_check()
        self.assertEqual(wizard.state, "wrong")
        return [(error.row, error.column, error.message) for error in wizard.error_ids]

    def assertWrong(self, row, column, message, user=None):
        """A row has one error, in this column, with this in its message."""
        (error,) = self.errors(row, user=user)
        self.assertEqual(error[:2], (2, column))
        self.assertRegex(error[2], message)


class TestImport(ImportCase):
    def test_a_device_gets_everything_that_its_row_tells(self):
        tag = self.env["iot.device.tag"].create({"name": "Spare"})
        group = self.env["iot.device.group"].create({"name": "Barn", "farm_id": self.hill.id})
        row = {
            "device_type": "Milk Meter",
            "pen": "parlour",
            "location_description": "Stall 1",
            "manufacturer": "Maker",
            "model": "MM27",
            "serial_number": "SN-1",
            "mac_address": "00-1a-2b-3c-4d-5e",
            "ip_address": "192.168.1.20",
            "firmware_version": "2.1",
            "hardware_version": "C",
            "latitude": "23,8103",
            "longitude": "-90.4125",
            "calibration_date": "2026-01-31",
            "next_calibration_date": "2027-01-31",
            "tags": "spare",
            "groups": "Barn;",
            "notes": "From the second box",
        }
        wizard = self.wizard(row)
        wizard.action_check()
        self.assertEqual((wizard.state, wizard.error_ids.mapped("message")), ("good", []))
        self.assertFalse(self.imported(), "checking registers nothing")
        wizard.action_import()
        device = self.imported()
        self.assertEqual((device.device_type, device.farm_id, device.location_id), ("milk_meter", self.hill, self.pen))
        self.assertEqual(device.mac_address, "00:1A:2B:3C:4D:5E")
        self.assertAlmostEqual(device.latitude, 23.8103)
        self.assertAlmostEqual(device.longitude, -90.4125)
        self.assertEqual(str(device.next_calibration_date), "2027-01-31")
        self.assertEqual((device.tag_ids, device.group_ids), (tag, group))
        for name in ("location_description", "manufacturer", "model", "serial_number", "ip_address", "notes"):
            self.assertEqual(device[name], row[name])
        self.assertEqual((device.firmware_version, device.hardware_version), ("2.1", "C"))
        self.assertEqual((device.state, device.data_topic), ("provisioning", "dairy/HILL/milk_meters/IMP-1/data"))

    def test_the_preview_counts_by_farm_and_type(self):
        wizard = self.wizard(
            {"device_id": "IMP-1"},
            {"device_id": "IMP-2"},
            {"device_id": "IMP-3", "device_type": "gate"},
            {"device_id": "IMP-4", "farm": ""},
            user=self.admin,
        )
        wizard.action_check()
        counts = {(line.farm, line.device_type): line["count"] for line in wizard.count_ids}
        waiting = "None: waits to be claimed"
        expected = {("Hill Farm", "temperature"): 2, ("Hill Farm", "gate"): 1, (waiting, "temperature"): 1}
        self.assertEqual(counts, expected)
        action = wizard.action_import()
        self.assertEqual(self.env["iot.device"].search(action["domain"]), self.imported())
        self.assertEqual(len(self.imported()), 4)

    def test_the_template_s_example_is_good_where_there_are_its_farm_and_pen(self):
        table = read_table(template_file(), [column.name for column in COLUMNS])
        checked = DeviceRows(self.env, table)
        self.assertEqual((checked.errors, len(checked.values)), ([], 1))

    def test_one_bad_row_and_nothing_is_imported(self):
        wizard = self.wizard({"device_id": "IMP-1"}, {"device_id": "IMP 2"}, {"device_id": "IMP-3"})
        wizard.action_import()
        self.assertFalse(self.imported())
        self.assertEqual((wizard.state, wizard.row_count, wizard.wrong_row_count), ("wrong", 3, 1))

    def test_what_has_been_registered_since_the_check_is_found_at_the_import(self):
        wizard = self.wizard({"device_id": "IMP-1"}, {"device_id": "IMP-2"})
        wizard.action_check()
        self.new_device("imp-2")
        wizard.action_import()
        self.assertEqual(wizard.state, "wrong")
        self.assertFalse(self.env["iot.device"].search([("device_id", "=", "IMP-1")]))

    def test_errors_are_listed_up_to_a_limit_and_all_in_the_file(self):
        wizard = self.wizard(*({"device_id": f"IMP {number}", "mac_address": "=1+1"} for number in range(150)))
        wizard.action_check()
        self.assertEqual((wizard.wrong_row_count, wizard.error_count, len(wizard.error_ids)), (150, 300, 200))
        file = base64.b64decode(wizard.error_file).decode("utf-8-sig")
        header, *lines = csv.reader(io.StringIO(file, newline=""))
        self.assertEqual(header, ["Row", "Column", "Value", "What is wrong"])
        self.assertEqual(len(lines), 300)
        self.assertEqual(lines[-1][:3], ["151", "mac_address", "'=1+1"])

    def test_a_corrected_file_is_imported_by_the_same_wizard(self):
        wizard = self.wizard({"device_id": "IMP 1"})
        wizard.action_check()
        wizard.file = self.wizard({"device_id": "IMP-1"}).file
        wizard.action_check()
        self.assertEqual((wizard.state, wizard.error_count, wizard.error_file), ("good", 0, False))
        self.assertFalse(wizard.error_ids)
        wizard.action_import()
        self.assertEqual(len(self.imported()), 1)

    def test_checking_takes_as_many_queries_for_many_rows_as_for_few(self):
        def queries(count):
            rows = [(number, {**MINIMUM, "device_id": f"IMP-{number}"}) for number in range(2, 2 + count)]
            before = self.env.cr.sql_log_count
            self.assertEqual(len(DeviceRows(self.env, Table(list(MINIMUM), rows)).values), count)
            return self.env.cr.sql_log_count - before

        queries(1)
        self.assertEqual(queries(300), queries(3))


class TestFile(ImportCase):
    def assertRefused(self, content, message):
        with self.assertRaisesRegex(UserError, message):
            self.wizard(content=content).action_check()

    def test_columns_that_are_missing_unknown_or_there_twice(self):
        self.assertRefused(b"device_id,name\nIMP-1,One\n", "missing: device_type")
        self.assertRefused(b"device_id,name,device_type,colour\nIMP-1,One,gate,red\n", "not known: colour")
        self.assertRefused(b"device_id,name,device_type,name\nIMP-1,One,gate,Two\n", "twice: name")

    def test_files_that_cannot_be_read(self):
        self.assertRefused(b"\xd0\xcf\x11\xe0", "old Excel")
        self.assertRefused(b"PK\x03\x04", "damaged")
        self.assertRefused(b"device_id,name,device_type\n", "no device in the file")
        with self.assertRaisesRegex(UserError, "Choose a file"):
            self.env["iot.device.import.wizard"].with_user(self.manager).create({}).action_check()


class TestRowErrors(ImportCase):
    def test_required_cells(self):
        for column in ("device_id", "device_type", "name"):
            with self.subTest(column):
                self.assertWrong({column: ""}, column, "required")

    def test_the_id(self):
        self.env["ir.config_parameter"].set_param("iot.device_id_pattern_gate", "GATE[0-9]+")
        self.assertWrong({"device_id": "a/b"}, "device_id", "up to 64 letters")
        self.assertWrong({"device_id": "Bridge"}, "device_id", "reserved")
        self.assertWrong({"device_type": "gate"}, "device_id", "does not fit the pattern")

    def test_ids_macs_and_serial_numbers_are_unique_within_the_file(self):
        maker = {"manufacturer": "Maker", "serial_number": "S1", "mac_address": "001A2B3C4D5E"}
        same = {"manufacturer": "MAKER", "serial_number": "s1", "mac_address": "00:1a:2b:3c:4d:5e"}
        errors = self.errors({"device_id": "IMP-1", **maker}, {"device_id": "imp-1", **same})
        self.assertEqual([error[:2] for error in errors], [(3, name) for name in self.in_order("device_id")])
        self.assertTrue(all("Row 2 has the same" in error[2] for error in errors))

    @staticmethod
    def in_order(*_names):
        return ["device_id", "serial_number", "mac_address"]

    def test_ids_macs_and_serial_numbers_are_new_to_the_registry_even_where_they_are_not_seen(self):
        maker = {"manufacturer": "Maker", "serial_number": "S1", "mac_address": "00:1A:2B:3C:4D:5E"}
        self.new_device("IMP-1", farm=self.valley, user=self.admin, **maker)
        errors = self.errors({"device_id": "imp-1", **maker, "mac_address": "001a.2b3c.4d5e"})
        self.assertEqual([error[:2] for error in errors], [(2, name) for name in self.in_order()])
        self.assertTrue(all("registered already" in error[2] for error in errors))

    def test_the_registry_lets_through_what_the_check_lets_through(self):
        """The same serial number of another maker, or of a decommissioned device, is no other device's."""
        maker = {"manufacturer": "Maker", "serial_number": "S1", "mac_address": "00:1A:2B:3C:4D:5E"}
        self.new_device("OLD-1", **maker).action_decommission()
        wizard = self.wizard(
            {"device_id": "IMP-1", **maker},
            {"device_id": "IMP-2", **maker, "manufacturer": "Other"} | {"mac_address": ""},
        )
        wizard.action_import()
        self.assertEqual(len(self.imported()), 2)

    def test_farm_and_pen(self):
        self.assertWrong({"farm": "VALLEY"}, "farm", "no farm with this code. Your farms' codes are: .*HILL")
        self.assertWrong({"farm": ""}, "farm", "Only a farm administrator")
        self.assertWrong({"pen": "P9"}, "pen", "no such pen. Its pens are: P1")
        self.assertWrong({"farm": "", "pen": "P1"}, "pen", "needs a farm", user=self.admin)
        self.env["farm.pen"].create({"name": "Parlour", "code": "P2", "farm_id": self.hill.id})
        self.assertWrong({"pen": "Parlour"}, "pen", "several pens")

    def test_types_addresses_places_and_dates(self):
        self.assertWrong({"device_type": "toaster"}, "device_type", "The types are: milk_meter, temperature")
        self.assertWrong({"mac_address": "00:1A"}, "mac_address", "twelve hexadecimal digits")
        self.assertWrong({"ip_address": "300.1.1.1"}, "ip_address", "no IP address")
        self.assertWrong({"latitude": "91"}, "latitude", "from -90 to 90")
        self.assertWrong({"longitude": "east"}, "longitude", "from -180 to 180")
        self.assertWrong({"latitude": "nan"}, "latitude", "from -90 to 90")
        self.assertWrong({"calibration_date": "31.01.2026"}, "calibration_date", "year-month-day")
        self.assertWrong({"name": "#N/A"}, "name", "could not compute")

    def test_tags_and_groups(self):
        self.env["iot.device.group"].create({"name": "Far", "farm_id": self.valley.id})
        self.assertWrong({"tags": "nowhere"}, "tags", "no tag “nowhere”")
        self.assertWrong({"groups": "Far"}, "groups", "no group “Far” of this farm", user=self.admin)

    def test_all_errors_of_a_row_are_told_at_once(self):
        errors = self.errors({"device_id": "a b", "mac_address": "x", "pen": "P9", "name": ""})
        self.assertEqual({error[1] for error in errors}, {"device_id", "mac_address", "pen", "name"})

    def test_what_cannot_be_judged_for_another_error_has_none_of_its_own(self):
        self.assertWrong({"farm": "NOWHERE", "pen": "P1", "groups": "Barn"}, "farm", "no farm with this code")
        self.assertWrong({"device_type": "toaster", "device_id": "a b"}, "device_type", "no such type")


class TestRights(ImportCase):
    def test_users_below_a_manager_do_not_import(self):
        with self.assertRaises(AccessError):
            self.wizard({}, user=self.user)

    def test_a_wizard_and_its_file_are_its_user_s_own(self):
        wizard = self.wizard({})
        with self.assertRaises(AccessError):
            wizard.with_user(self.admin).read(["file"])


@tagged("post_install", "-at_install")
class TestManyRows(ImportCase):
    def test_a_thousand_rows(self):
        wizard = self.wizard(
            *({"device_id": f"IMP-{number}", "mac_address": f"02{number:010X}"} for number in range(1000))
        )
        wizard.action_check()
        self.assertEqual(wizard.state, "good")
        wizard.action_import()
        self.assertEqual(len(self.imported()), 1000)
