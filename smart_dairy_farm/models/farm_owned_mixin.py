"""What belongs to a farm stays where its user may see it."""

from odoo import _, api, models
from odoo.exceptions import AccessError


class FarmOwnedMixin(models.AbstractModel):
    """A record that belongs to a farm, by itself or through its animal.

    Record rules look at a record as it is before a change. Without a second look, a user could push a record over to a
    farm or company that is closed to him. A new record they look at in Python, where archived users are not seen: a
    farm whose users are all archived would be open to everybody, though the database shows it to nobody.
    """

    _name = "farm.owned.mixin"
    _description = "Record of a Farm"

    _owner_fields = frozenset({"animal_id", "company_id", "farm_id"})

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        if not self.env.su:
            records._check_still_visible()
        return records

    @api.model
    def default_get(self, fields_list):
        """Where the company is the farm's, no default of a user's or of the context says otherwise."""
        company = self._fields.get("company_id")
        names = [name for name in fields_list if name != "company_id" or not company.related]
        return super().default_get(names)

    def write(self, vals):
        result = super().write(vals)
        if not self.env.su and self._owner_fields & vals.keys():
            self._check_still_visible()
        return result

    def _check_still_visible(self):
        visible = self.with_context(active_test=False).search_count([("id", "in", self.ids)])
        if visible != len(self):
            raise AccessError(_("This would belong to a farm or company that you may not see."))
