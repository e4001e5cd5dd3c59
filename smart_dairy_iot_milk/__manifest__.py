{
    "name": "Smart Dairy IoT Milk Meters",
    "summary": "Milk meters over Modbus and MQTT: milkings, their animals and grades, and a live dashboard",
    "version": "17.0.1.1.0",
    "category": "Agriculture",
    "author": "Smart Dairy IoT",
    "license": "LGPL-3",
    "depends": ["smart_dairy_iot"],
    "external_dependencies": {
        "python": ["pymodbus", "serial"],
    },
    "data": [
        "security/ir.model.access.csv",
        "security/ir.model.access-modbus.csv",
        "security/milk_rules.xml",
        "data/ir_sequence.xml",
        "data/iot_modbus_profile.xml",
        "data/ir_cron.xml",
        "views/iot_modbus_profile_views.xml",
        "views/iot_modbus_reading_views.xml",
        "views/iot_modbus_import_views.xml",
        "views/milk_session_views.xml",
        "views/farm_location_quality_views.xml",
        "views/iot_milk_meter_views.xml",
        "views/menus.xml",
        "views/menus_modbus.xml",
        "views/milk_dashboard_views.xml",
    ],
    "assets": {
        "web.assets_backend": [
            "smart_dairy_iot_milk/static/src/**/*",
        ],
    },
}
