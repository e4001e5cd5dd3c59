"""One process may serve several databases, as long as they do not fight over one identity at the broker."""

from odoo.tests import BaseCase, tagged
from odoo.tools import mute_logger

from ..bridge.config import Config
from ..host import _DatabaseBridge

LOGGER = "odoo.addons.smart_dairy_iot.host"


@tagged("post_install", "-at_install")
class TestHost(BaseCase):
    def setUp(self):
        super().setUp()
        identities = {}
        self.farm, self.copy = (_DatabaseBridge(name, "on", identities) for name in ("farm", "farm_copy"))

    def test_a_copy_of_a_database_does_not_take_over_its_broker_session(self):
        with self.farm._identity(Config()) as farm_may_connect:
            with self.assertLogs(LOGGER, "ERROR") as logged, self.copy._identity(Config()) as copy_may_connect:
                self.assertTrue(farm_may_connect)
                self.assertFalse(copy_may_connect)
        self.assertIn("farm_copy is not started: farm has the same client id", logged.output[0])

    def test_a_database_with_a_client_id_of_its_own_has_a_bridge_beside_the_other(self):
        with self.farm._identity(Config()), self.copy._identity(Config(mqtt_bridge_client_id="other")) as may_connect:
            self.assertTrue(may_connect)

    @mute_logger(LOGGER)
    def test_the_identity_is_free_again_when_its_bridge_has_ended(self):
        with self.farm._identity(Config()), self.copy._identity(Config()):
            pass
        with self.copy._identity(Config()) as may_connect:
            self.assertTrue(may_connect)
