from . import iot_bridge, iot_store
