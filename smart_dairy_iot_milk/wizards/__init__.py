from . import iot_modbus_reading
from . import iot_modbus_import
