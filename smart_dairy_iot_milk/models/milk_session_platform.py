"""What the platform alone says of a milking: its number, its state, its production record, what follows from them.

A field that is declared `readonly` is so for people by whichever way they come: RPC, an import, a copy, a default in
the context or one of their own. A forged number or production record would otherwise have the platform, which has more
rights than the user, change the records of a farm that is closed to him.
"""

from odoo import _, api, models
from odoo.exceptions import AccessError

# In the context while the platform itself writes; no client can send it.
_PLATFORM = object()


class MilkSession(models.Model):
    _inherit = "milk.session"

    # Imported last of all that extends milkings: it looks at what was asked for, before the others add to it.

    @api.model_create_multi
    def create(self, vals_list):
        if self._is_platform():
            return super().create(vals_list)
        # Defaults name an animal, too, the user's own and those that a client sends. (The caller's vals stay his.)
        default = self.default_get(["animal_id"])
        vals_list = [default | vals for vals in vals_list]
        for vals in vals_list:
            # Nothing stands there yet, though a copy is made by the milking that is copied.
            self.browse()._check_by_user(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_by_user(vals)
        return super().write(vals)

    def copy(self, default=None):
        """An animal that has left for a farm closed to the user is not milked here again: who was, is to be entered."""
        copies = self.browse()
        for session in self:
            hidden = session.animal_id and not self._sees_animal(session.animal_id.id)
            own = {"animal_id": False} if hidden else {}
            copies |= super(MilkSession, session).copy(own | (default or {}))
        return copies

    @api.model
    def default_get(self, fields_list):
        """What the platform says has no default but the field's own, whatever context and users' defaults say."""
        own = {name: self._fields[name] for name in fields_list if self._is_the_platforms(name)}
        defaults = super().default_get([name for name in fields_list if name not in own])
        return defaults | {name: field.default(self) for name, field in own.items() if field.default}

    def _as_platform(self):
        """These milkings, to write what the platform alone says of them, with the rights that the user has.

        Not sudo: whoever may only read a milking makes nothing follow from it. Defaults that a client sent are left
        behind: they would get into whatever is made of the milkings.
        """
        context = {key: value for key, value in self.env.context.items() if not key.startswith("default_")}
        return self.with_context(context, milk_session_platform=_PLATFORM)

    @api.model
    def _is_platform(self):
        return self.env.su or self.env.context.get("milk_session_platform") is _PLATFORM

    @api.model
    def _is_meters_word(self):
        """Whether what is written now is what a meter says, or follows from it, and not a person's word."""
        return bool(self.env.context.get("from_meter")) and self._is_platform()

    @api.model
    def _is_the_platforms(self, name):
        return name in self._fields and self._fields[name].readonly

    def _check_by_user(self, vals):
        """:raises AccessError: where a user writes what is not his to write, or names an animal that he may not see"""
        if self._is_platform():
            return
        forged = sorted(self._fields[name].string for name in vals if self._is_the_platforms(name))
        if forged:
            raise AccessError(_("The platform alone writes this of a milking: %s.", ", ".join(forged)))
        if "rfid_tag" in vals and any(session.source != "manual" for session in self):
            raise AccessError(_("What a reader has read stays: enter the animal that it was."))
        if vals.get("animal_id") and any(session.animal_id.id != vals["animal_id"] for session in self or [self]):
            self._check_animal_visible(vals["animal_id"])

    @api.model
    def _check_animal_visible(self, animal_id):
        """Records of the animal's milk and health follow, which are made with the platform's rights."""
        if not self._sees_animal(animal_id):
            raise AccessError(_("This animal belongs to a farm or company that you may not see."))

    @api.model
    def _sees_animal(self, animal_id):
        animals = self.env["farm.animal"].with_context(active_test=False)
        return bool(animals.search_count([("id", "=", animal_id)]))
