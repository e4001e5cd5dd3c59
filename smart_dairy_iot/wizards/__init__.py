from . import iot_device_claim_wizard
from . import iot_device_command_wizard
from . import iot_device_credentials_wizard
from . import iot_device_import_wizard
from . import iot_device_replace_wizard
from . import iot_device_template_wizard
from . import iot_certificate_authority_wizard
from . import iot_device_certificate_wizard
