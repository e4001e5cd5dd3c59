"""What the platform alone says of a record: people read it, and act on it by its buttons."""

from odoo import _, models
from odoo.exceptions import AccessError

# In the context while the platform itself writes; no client can send it.
_PLATFORM = object()


class IotPlatformWordMixin(models.AbstractModel):
    """A field that is declared `readonly` is so for people by RPC and import, too.

    A forged moment or tag would keep milkings from being judged, or give them to another animal.
    """

    _name = "iot.platform.word.mixin"
    _description = "Written by the Platform"

    def write(self, vals):
        if not self.env.su and self.env.context.get("iot_platform") is not _PLATFORM:
            forged = sorted(field.string for name, field in self._fields.items() if name in vals and field.readonly)
            if forged:
                raise AccessError(_("The platform alone writes this: %s.", ", ".join(forged)))
        return super().write(vals)

    def _as_platform(self):
        """These records, to write what the platform alone says of them, with the rights that the user has."""
        return self.with_context(iot_platform=_PLATFORM)
