"""What is kept for one farm by its manager, or for every farm by an administrator: groups of devices, templates."""

from odoo import _, fields, models
from odoo.exceptions import AccessError


class IotFarmSharedMixin(models.AbstractModel):
    _name = "iot.farm.shared.mixin"
    _description = "Of One Farm or of All"
    _inherit = ["farm.owned.mixin"]

    farm_id = fields.Many2one("farm.location", index=True, ondelete="cascade", help="Empty: for every farm.")
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)

    def write(self, vals):
        if "farm_id" in vals and not vals["farm_id"]:
            self._check_may_share()
        return super().write(vals)

    def _check_may_share(self):
        """Record rules look at a record as it was; what is for every farm is no single farm's manager's to make."""
        if not self.env.su and not self.env.user.has_group("smart_dairy_farm.group_farm_admin"):
            raise AccessError(_("Choose a farm: only a farm administrator keeps what is for every farm."))
