"""The list of milkings to assign and that of unknown tags open in a browser, on a desk and on a phone."""

import json

from odoo.tests.common import HttpCase, tagged

from .common import OTHER_TAG, START
from .test_screens import SCRIPT


@tagged("post_install", "-at_install")
class TestIdentificationScreens(HttpCase):
    browser_size = "1366,768"

    def test_milkings_to_assign_and_unknown_tags_are_shown(self):
        farm = self.env["farm.location"].create({"name": "Screen Farm", "code": "id-screens", "tz": "UTC"})
        cow = self.env["farm.animal"].create({"name": "Cow 4711", "farm_id": farm.id})
        meter = self.env["iot.milk_meter"].create(
            {
                "name": "Parlour right",
                "device_id": "MM-ID-SCREEN",
                "farm_id": farm.id,
                "manufacturer": "delaval",
                "communication_type": "mqtt",
            }
        )
        milking = self.env["milk.session"].create(
            {
                "meter_id": meter.id,
                "start_time": START,
                "end_time": START,
                "total_yield": 11.5,
                "state": "completed",
                "rfid_tag": OTHER_TAG,
                "identification": "doubtful",
                "doubt_reason": "Two tags",
                "tag_reads": {OTHER_TAG: 2},
                "proposed_animal_id": cow.id,
                "proposal_certainty": 0.93,
                "proposal_reason": "usually 11.6 L",
            }
        )
        self.env["iot.rfid.unknown"]._record([(milking, OTHER_TAG, 2)])
        unknown = self.env["iot.rfid.unknown"].search([("farm_id", "=", farm.id)])
        to_assign = self.env.ref("smart_dairy_iot_milk.milk_session_view_assign_tree")
        own = [["id", "=", milking.id]]
        screens = [
            (
                {"res_model": "milk.session", "views": [[to_assign.id, "list"]], "domain": own},
                ["Cow 4711", "93%", "11.5"],
            ),
            (
                {"res_model": "milk.session", "views": [[False, "form"]], "res_id": milking.id},
                ["It is doubtful whose milking this is.", "Two tags", "Cow 4711", f"{OTHER_TAG}: 2 times"],
            ),
            (
                {"res_model": "iot.rfid.unknown", "views": [[False, "list"]], "domain": [["id", "=", unknown.id]]},
                [OTHER_TAG, "999123456789013"],
            ),
            (
                {"res_model": "iot.rfid.unknown", "views": [[False, "form"]], "res_id": unknown.id},
                [OTHER_TAG, "Screen Farm", "Parlour right"],
            ),
        ]
        home = self.env.ref("smart_dairy_iot_milk.milk_session_assign_action")
        ready = "!!document.querySelector('.o_action_manager .o_view_controller')"
        self.browser_js(f"/web#action={home.id}", SCRIPT % json.dumps(screens), ready, login="admin", timeout=300)


@tagged("post_install", "-at_install")
class TestIdentificationScreensPhone(TestIdentificationScreens):
    browser_size = "390,844"
    touch_enabled = True
