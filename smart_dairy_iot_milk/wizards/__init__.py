from . import iot_modbus_reading
from . import iot_modbus_import
from . import ade_import_wizard
from . import milk_report_wizard
from . import iot_rfid_assign
from . import iot_rfid_change
from . import milk_session_assign
