"""What the tests of screens share: scripts in a real browser, which wait for what they look for."""

from odoo.tests import HttpCase

HELPERS = """
    const until = async (probe, what) => {
        for (let tries = 0; tries < 600; tries++) {
            const dialog = document.querySelector(".o_error_dialog");
            if (dialog) {
                throw new Error(`${what}: ${dialog.textContent}`);
            }
            const found = probe();
            if (found) {
                return found;
            }
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        throw new Error(`not shown: ${what}`);
    };
    const shown = (selector, text = "") =>
        until(
            () => [...document.querySelectorAll(selector)].find((element) => element.textContent.includes(text)),
            `${selector} ${text}`
        );
    const type = (field, text) => {
        field.value = text;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.dispatchEvent(new Event("change", { bubbles: true }));
    };
"""
SCRIPT_SECONDS = 300


class ScreenCase(HttpCase):
    def run_in_browser(self, address, script, login="admin"):
        """Open a page as a user, and run a script in it; it may use what `HELPERS` has, and fails by an error."""
        self.browser_js(
            address,
            f'(async () => {{ {HELPERS} {script} console.log("test successful"); }})();',
            login=login,
            timeout=SCRIPT_SECONDS,
        )

    def new_sensor(self):
        """A temperature sensor, SCREEN-1, on a farm of its own."""
        farm = self.env["farm.location"].create({"name": "Screen Farm", "code": "SCREEN", "tz": "UTC"})
        return self.env["iot.device"].create(
            {"name": "Screen sensor", "device_id": "SCREEN-1", "device_type": "temperature", "farm_id": farm.id}
        )
