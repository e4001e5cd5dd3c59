"""Claiming: who stands before a device with its label takes it for a farm.

A device may be registered before anybody knows on which farm it will hang. Its label carries a claim code, for life:
while the device waits to be claimed the code is the right to see it and to take it; afterwards it is no more than the
device's name.
"""

import re
import secrets

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from .iot_device_provisioning import ACTIONS_ONLY

ACTIONS_ONLY.update({"claim_code", "released_for_claiming", "claimed_at", "claimed_by_id"})

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without letters that are easily taken for others."""

CODE_LENGTH = 15
"""75 random bits: nobody finds a code by trying, all the less as one has to be logged in."""

GROUP_LENGTH = 5
MISREAD = str.maketrans("OIL", "011")


def new_claim_code():
    """A random code as it is stored and printed, e.g. "K7M2X-9QWRT-4VHZP"."""
    return _grouped("".join(secrets.choice(ALPHABET) for _number in range(CODE_LENGTH)))


def normalised_claim_code(text):
    """The code that somebody has typed, in whatever case and grouping, with letters misread for digits."""
    return _grouped(re.sub(r"[^0-9A-Z]", "", text.upper()).translate(MISREAD))


def _grouped(letters):
    return "-".join(letters[start : start + GROUP_LENGTH] for start in range(0, len(letters), GROUP_LENGTH))


class IotDevice(models.Model):
    _inherit = "iot.device"

    claim_code = fields.Char(
        compute="_compute_claim_code",
        store=True,
        precompute=True,
        groups="smart_dairy_farm.group_farm_manager",
        help="On the device's label, for life: opens the device, or claims it for a farm while it has none.",
    )
    claim_url = fields.Char(
        string="Claim Address", compute="_compute_claim_url", groups="smart_dairy_farm.group_farm_manager"
    )
    released_for_claiming = fields.Boolean(
        readonly=True, copy=False, tracking=True, help="Who has the label may claim the device away from its farm."
    )
    claimed_at = fields.Datetime(readonly=True, copy=False)
    claimed_by_id = fields.Many2one("res.users", readonly=True, copy=False)

    _sql_constraints = [("claim_code_unique", "UNIQUE(claim_code)", "Two devices cannot share a claim code.")]

    @api.depends()
    def _compute_claim_code(self):
        """On nothing does it depend: a device gets its code once, those of old when the column is made."""
        for device in self:
            device.claim_code = new_claim_code()

    @api.depends("claim_code")
    def _compute_claim_url(self):
        base_url = self.browse().get_base_url()
        for device in self:
            device.claim_url = f"{base_url}/iot/claim/{device.claim_code}"

    def action_release_for_claiming(self):
        """Let whoever has the label claim the device, away from the farm that it is on."""
        self._check_may_release()
        for device in self:
            if device.state == "decommissioned" or not device.farm_id:
                raise UserError(_("%s is decommissioned or on no farm: there is nothing to release.", device.name))
        self._in_action().write({"released_for_claiming": True})

    def action_keep(self):
        """Take back the release."""
        self._check_may_release()
        self._in_action().write({"released_for_claiming": False})

    def _check_may_release(self):
        if not self.env.user.has_group("smart_dairy_farm.group_farm_admin"):
            raise AccessError(_("Only a farm administrator may give a device away."))

    @api.model
    def _claimable(self, code):
        """The device that waits to be claimed by this code; empty for any other code, and for who may not claim."""
        if not self.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            return self.browse()
        # The code is the right to see a device that waits to be claimed: such a one is on no farm of the user's.
        return self.sudo().search(
            [
                ("claim_code", "=", normalised_claim_code(code)),
                ("state", "!=", "decommissioned"),
                "|",
                ("farm_id", "=", False),
                ("released_for_claiming", "=", True),
            ]
        )

    @api.model
    def _visible_by_claim_code(self, code):
        """The device with this code if the user may read it, archived or not."""
        if not self.env.user.has_group("smart_dairy_farm.group_farm_user"):
            return self.browse()
        # Users below a manager may not search for codes. It is looked up for them, and what is found is theirs to see
        # by the record rules alone.
        found = self.with_context(active_test=False).sudo().search([("claim_code", "=", normalised_claim_code(code))])
        return self.with_context(active_test=False).search([("id", "in", found.ids)])

    def _claim(self, farm, values):
        """Attach the device, one that `_claimable` gave, to a farm of the user's; its topics follow.

        :param farm: `farm.location` with the user's own rights
        :param values: other fields to write
        """
        self.ensure_one()
        if not farm.search_count([("id", "in", farm.ids)]):
            raise AccessError(_("You may not claim a device for this farm."))
        self.write(
            {
                **values,
                "farm_id": farm.id,
                "released_for_claiming": False,
                "claimed_at": fields.Datetime.now(),
                "claimed_by_id": self.env.uid,
            }
        )
        place = " / ".join(filter(None, (farm.name, self.location_id.name, self.location_description)))
        self.message_post(body=_("Claimed by %(user)s for %(place)s.", user=self.env.user.name, place=place))
