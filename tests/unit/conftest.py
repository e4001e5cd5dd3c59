"""Makes the addons' packages that need no Odoo importable without it.

`import smart_dairy_iot.bridge` would run the addon's `__init__`, which imports Odoo; here the addon is a bare namespace.
"""

import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

for addon in ("smart_dairy_farm", "smart_dairy_iot", "smart_dairy_iot_milk", "smart_dairy_iot_alerts"):
    namespace = types.ModuleType(addon)
    namespace.__path__ = [str(ROOT / addon)]
    sys.modules.setdefault(addon, namespace)
