from . import iot_device_credentials_wizard
from . import iot_device_claim_wizard
