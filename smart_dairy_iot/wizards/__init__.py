from . import iot_device_credentials_wizard
