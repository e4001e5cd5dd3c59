from . import test_alert_rules
