{
    "name": "Smart Dairy IoT Alerts",
    "summary": "Rules that turn events of devices and animals into alerts",
    "version": "17.0.1.0.0",
    "category": "Agriculture",
    "author": "Smart Dairy IoT",
    "license": "LGPL-3",
    "depends": ["smart_dairy_iot"],
    "data": [
        "security/ir.model.access.csv",
        "security/iot_alert_rule_rules.xml",
        "data/iot_alert_rule.xml",
        "views/iot_alert_rule_views.xml",
        "views/iot_alert_views.xml",
        "views/menus.xml",
    ],
}
