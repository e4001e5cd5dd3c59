"""A meter that is put to work: its registers raw and decoded, read over a serial line."""

import fcntl
import json
import math
import os

from odoo.exceptions import AccessError, UserError
from odoo.tests.common import HttpCase, new_test_user, tagged

from .common import MilkCase
from .modbus_line import MeterLine

#: Registers of the DeLaval map.
YIELD, FLOW, CONDUCTIVITY, STATUS = 0, 2, 4, 14

# Presses Read Now on a meter's form, then Read Again, and waits for what the window shows then. A phone keeps the
# buttons of a form in a menu.
SCRIPT = """
(async () => {
    const { meter, first, second } = %s;
    const appear = async (what, find) => {
        const end = Date.now() + 60000;
        while (!find()) {
            if (Date.now() > end) {
                throw new Error(`There is no ${what}: ${document.body.innerText}`);
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return find();
    };
    const button = (name) => document.querySelector(`button[name=${name}]:not([disabled])`);
    const screen = { type: "ir.actions.act_window", res_model: "iot.milk_meter", views: [[false, "form"]] };
    await odoo.__WOWL_DEBUG__.root.env.services.action.doAction({ ...screen, res_id: meter, name: "Meter" });
    const menu = () => document.querySelector(".o_statusbar_buttons :is(.dropdown-toggle, [title=More])");
    await appear("header", () => button("action_read_now") || menu());
    if (!button("action_read_now")) {
        menu().click();
    }
    (await appear("Read Now", () => button("action_read_now"))).click();
    const dialog = () => document.querySelector(".modal .o_form_view");
    for (const text of first) {
        await appear(text, () => dialog()?.textContent.includes(text));
    }
    (await appear("Read Again", () => button("action_read_again"))).click();
    for (const text of second) {
        await appear(text, () => dialog()?.textContent.includes(text));
    }
})().then(() => console.log("test successful"), (error) => console.error(error.message));
"""


@tagged("post_install", "-at_install")
class TestModbusReading(MilkCase):
    def setUp(self):
        super().setUp()
        self.line = MeterLine(r0=8.25, r2=2.5, r4=5.5, r6=38.5)
        self.line.__enter__()
        self.addCleanup(self.line.__exit__)
        self.line.words |= {8: 240, STATUS: 1, 15: 42, 16: 60}
        self.line.words |= {10: 0x8000, 11: 0xF9DC, 12: 0xBE99, 13: 0x1A14}

    def serial_meter(self, device_id="MM-9", **values):
        return self.make_meter(
            device_id,
            **{
                "communication_type": "modbus_rtu",
                "modbus_port": self.line.device,
                "modbus_baudrate": "115200",
                **values,
            },
        )

    def read(self, meter):
        """The window that Read Now opens."""
        action = meter.action_read_now()
        self.assertEqual((action["res_model"], action["target"]), ("iot.modbus.reading", "new"))
        return self.env[action["res_model"]].browse(action["res_id"])

    def register(self, reading, quantity, point=1):
        return reading.line_ids.filtered(lambda line: line.quantity == quantity and line.point_number == point)

    def test_registers_are_shown_raw_and_decoded_with_their_meaning(self):
        reading = self.read(self.serial_meter())
        self.assertFalse(reading.problem)
        self.assertEqual(reading.endpoint, f"{self.line.device} (115200 8N1)")
        self.assertEqual(reading.request_count, 2)
        self.assertEqual(len(reading.line_ids), 9)
        register = self.register(reading, "yield_liters")
        self.assertEqual((register.name, register.address, register.words), ("Yield", 0, "4104 0000"))
        self.assertEqual((register.value, register.unit, register.verdict), ("8.25", "L", "ok"))
        self.assertEqual(self.register(reading, "rfid_tag").value, "8000F9DCBE991A14")
        self.assertEqual(self.register(reading, "milking").value, "Yes")
        self.assertEqual(set(reading.line_ids.mapped("verdict")), {"ok"})

    def test_what_is_no_value_says_why(self):
        self.line.set_float(CONDUCTIVITY, math.nan)
        self.line.set_float(FLOW, 99.0)
        self.line.words |= dict.fromkeys((10, 11, 12, 13), 0)
        reading = self.read(self.serial_meter())
        self.assertEqual(self.register(reading, "conductivity").verdict, "not_available")
        flow = self.register(reading, "flow_rate")
        self.assertEqual((flow.verdict, flow.value, flow.words), ("out_of_range", "99.0", "42C6 0000"))
        self.assertEqual(self.register(reading, "rfid_tag").verdict, "none")
        self.assertFalse(reading.problem)

    def test_a_reading_that_lacks_what_is_required_shows_what_there_is(self):
        self.line.set_float(YIELD, 912.0)
        reading = self.read(self.serial_meter())
        self.assertIn("yield_liters (out of range: 912.0 L)", reading.problem)
        self.assertEqual(self.register(reading, "yield_liters").verdict, "out_of_range")
        self.assertEqual(self.register(reading, "flow_rate").verdict, "ok")
        self.assertEqual(reading.request_count, 2)

    def test_a_meter_that_refuses_shows_the_reason_and_no_values(self):
        self.line.fault = 2
        reading = self.read(self.serial_meter())
        self.assertIn("illegal data address", reading.problem)
        self.assertEqual(set(reading.line_ids.mapped("verdict")), {"not_read"})
        self.assertFalse(any(reading.line_ids.mapped("words")))
        self.assertEqual(reading.request_count, 0)

    def test_a_line_that_is_not_there_is_the_problem(self):
        reading = self.read(self.serial_meter(modbus_port="/dev/ttyNowhere"))
        self.assertIn("No such file or directory", reading.problem)
        self.assertFalse(reading.line_in_use)

    def test_read_again_reads_with_the_settings_of_now(self):
        meter = self.serial_meter()
        reading = self.read(meter)
        self.line.set_float(YIELD, 9.5)
        meter.modbus_profile_id.line_ids.filtered(lambda line: line.quantity == "yield_liters").scale = 2
        action = reading.action_read_again()
        self.assertEqual(action["res_id"], reading.id)
        self.assertEqual(self.register(reading, "yield_liters").value, "19.0")
        self.assertEqual(len(reading.line_ids), 9)

    def test_each_milking_point_is_read_at_its_own_registers(self):
        meter = self.serial_meter(milking_point_count=3)
        meter.modbus_profile_id.point_stride = 20
        meter.milking_point_ids[2].address_offset = 100
        for address, liters in ((20, 2.5), (100, 3.5)):
            self.line.set_float(address + YIELD, liters)
            self.line.words[address + STATUS] = 1
        reading = self.read(meter)
        yields = [self.register(reading, "yield_liters", point) for point in (1, 2, 3)]
        self.assertEqual([line.value for line in yields], ["8.25", "2.5", "3.5"])
        self.assertEqual([line.address for line in yields], [0, 20, 100])
        self.assertEqual(reading.request_count, 6)

    def test_a_point_that_lacks_a_value_is_named_and_the_others_are_read(self):
        meter = self.serial_meter(milking_point_count=2)
        meter.modbus_profile_id.point_stride = 20
        self.line.set_float(20, math.nan)
        reading = self.read(meter)
        self.assertIn("point 2: unit 1 has no value for", reading.problem)
        self.assertEqual(self.register(reading, "yield_liters", 1).verdict, "ok")

    def test_a_line_that_is_polled_is_said_to_be_in_use_and_can_be_had(self):
        meter = self.serial_meter()
        neighbour = self.serial_meter("MM-10", modbus_address=2)
        elsewhere = self.serial_meter("MM-11", modbus_port="/dev/ttyS9")
        poller = os.open(self.line.device, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(poller, fcntl.LOCK_EX)
            reading = self.read(meter)
            self.assertTrue(reading.line_in_use)
            self.assertIn("another process uses the line", reading.problem)
            reading.action_stop_polling()
        finally:
            os.close(poller)
        self.assertEqual(reading.stopped_meter_ids, meter | neighbour)
        self.assertFalse(meter.polling_enabled or neighbour.polling_enabled)
        self.assertTrue(elsewhere.polling_enabled)
        self.assertFalse(reading.line_in_use)
        reading.action_read_again()
        self.assertEqual(self.register(reading, "yield_liters").value, "8.25")
        reading.action_start_polling()
        self.assertTrue(meter.polling_enabled and neighbour.polling_enabled)
        self.assertFalse(reading.stopped_meter_ids)

    def test_other_code_gets_the_values_of_the_first_point_corrected_by_calibration(self):
        meter = self.serial_meter(flow_calibration_factor=1.1)
        values = self.env["iot.modbus.service"].read_meter_data(meter.id)
        self.assertAlmostEqual(values["yield_liters"], 9.075)
        self.assertAlmostEqual(values["flow_rate"], 2.75)
        self.assertEqual((values["conductivity"], values["rfid_tag"]), (5.5, "8000F9DCBE991A14"))

    def test_other_code_is_told_why_a_meter_cannot_be_read(self):
        meter = self.serial_meter(modbus_port="/dev/ttyNowhere")
        with self.assertRaisesRegex(UserError, "No such file or directory"):
            self.env["iot.modbus.service"].read_meter_data(meter.id)

    def test_a_meter_that_is_not_set_up_says_what_is_missing(self):
        for values, message in (
            ({"communication_type": "mqtt"}, "no Modbus meter"),
            ({"modbus_profile_id": False}, "no Modbus profile"),
            ({"modbus_port": False}, "no address"),
        ):
            meter = self.serial_meter(f"MM-{20 + len(message)}", polling_enabled=False)
            meter.write(values)
            with self.subTest(**values), self.assertRaisesRegex(UserError, message):
                meter.action_read_now()

    def test_only_a_manager_of_the_farm_reads_a_meter(self):
        meter = self.serial_meter()
        user = new_test_user(self.env, "milker", "smart_dairy_farm.group_farm_user")
        manager = new_test_user(self.env, "milk_manager", "smart_dairy_farm.group_farm_manager")
        outsider = new_test_user(self.env, "outsider", "smart_dairy_farm.group_farm_manager")
        self.farm.user_ids = user | manager
        self.env.flush_all()
        self.env.invalidate_all()
        for other in (user, outsider):
            with self.subTest(other.login), self.assertRaises(AccessError):
                meter.with_user(other).action_read_now()
        action = meter.with_user(manager).action_read_now()
        reading = self.env[action["res_model"]].browse(action["res_id"])
        self.assertFalse(reading.with_user(manager).problem)
        self.env.flush_all()
        self.env.invalidate_all()
        for record in (reading, reading.line_ids):
            with self.assertRaises(AccessError):
                record.with_user(outsider).read(["display_name"])


class FillingLine(MeterLine):
    """Of a meter that has a litre more each time that its yield is read."""

    def _answer(self, request):
        answer = super()._answer(request)
        if request[2:4] == bytes([0, YIELD]):
            self.liters += 1
            self.set_float(YIELD, self.liters)
        return answer


@tagged("post_install", "-at_install")
class TestModbusReadingScreen(HttpCase):
    browser_size = "1366,768"

    def test_registers_are_seen_and_read_again(self):
        farm = self.env["farm.location"].create({"name": "Screen Farm", "code": "read-screen", "tz": "UTC"})
        line = FillingLine(r0=8.25, r2=99.0)
        line.liters = 8.25
        with line:
            meter = self.env["iot.milk_meter"].create(
                {
                    "name": "Parlour left",
                    "device_id": "MM-READ-SCREEN",
                    "farm_id": farm.id,
                    "manufacturer": "delaval",
                    "communication_type": "modbus_rtu",
                    "modbus_port": line.device,
                }
            )
            home = self.env.ref("smart_dairy_iot_milk.iot_modbus_profile_action")
            facts = {
                "meter": meter.id,
                "first": [line.device, "Yield (L)", "8.25", "4104 0000", "Good", "99.0", "Out of range", "No value"],
                "second": ["9.25", "4114 0000"],
            }
            ready = "!!document.querySelector('.o_action_manager .o_view_controller')"
            script = SCRIPT % json.dumps(facts)
            self.browser_js(f"/web#action={home.id}", script, ready, login="admin", timeout=300)


@tagged("post_install", "-at_install")
class TestModbusReadingScreenPhone(TestModbusReadingScreen):
    browser_size = "375,667"
    touch_enabled = True
