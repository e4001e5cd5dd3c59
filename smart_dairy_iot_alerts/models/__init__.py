from . import iot_alert_rule
from . import iot_alert
from . import iot_event
