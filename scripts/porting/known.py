"""What is known of the servers of Odoo 17.0 and 19.0, found by comparing the two sources.

Two kinds of table: what is the same in both (anything else is refused), and what is gone or means something else on
19.0, each with what to write instead.
"""

from __future__ import annotations

CORE_ADDONS = "odoo.addons."
OWN_PREFIX = "smart_dairy_"

#: Python modules whose given names are there in both series with the same meaning.
PYTHON_IMPORTS: dict[str, set[str]] = {
    "odoo": {"Command", "SUPERUSER_ID", "_", "api", "exceptions", "fields", "http", "models", "service", "tools"},
    "odoo.api": {"Environment", "autovacuum", "constrains", "depends", "depends_context", "model"}
    | {"model_create_multi", "onchange", "ondelete"},
    "odoo.cli": {"Command"},
    "odoo.cli.command": {"Command"},
    "odoo.exceptions": {"AccessDenied", "AccessError", "MissingError", "RedirectWarning", "UserError"}
    | {"ValidationError"},
    "odoo.fields": {"Binary", "Boolean", "Char", "Command", "Date", "Datetime", "Field", "Float", "Html", "Image"}
    | {"Integer", "Json", "Many2many", "Many2one", "One2many", "Reference", "Selection", "Text"},
    "odoo.http": {"Controller", "Dispatcher", "Response", "Stream", "content_disposition", "request", "root", "route"},
    "odoo.models": {"AbstractModel", "BaseModel", "MAGIC_COLUMNS", "Model", "TransientModel"},
    "odoo.modules": {"module"},
    "odoo.modules.module": {"get_manifest", "get_module_path"},
    "odoo.modules.registry": {"Registry"},
    "odoo.netsvc": {"init_logger"},
    "odoo.release": {"series", "version", "version_info"},
    "odoo.service": {"db", "model", "server"},
    "odoo.service.db": {"list_dbs"},
    "odoo.service.model": {"PG_CONCURRENCY_ERRORS_TO_RETRY", "retrying"},
    "odoo.service.server": {"CommonServer", "PreforkServer", "ThreadedServer", "Worker", "WorkerHTTP", "server"},
    "odoo.sql_db": {"Cursor", "connection_info_for", "db_connect"},
    "odoo.tests": {"BaseCase", "Form", "HttpCase", "TransactionCase", "new_test_user", "tagged", "users", "common"},
    "odoo.tests.common": {
        "BaseCase",
        "Form",
        "HOST",
        "HttpCase",
        "TransactionCase",
        "get_db_name",
        "new_test_user",
        "tagged",
    }
    | {"users", "ChromeBrowser"},
    "odoo.tools": {"DEFAULT_SERVER_DATE_FORMAT", "DEFAULT_SERVER_DATETIME_FORMAT", "SQL", "config", "date_utils"}
    | {"float_compare", "float_is_zero", "float_round", "format_date", "format_datetime", "groupby", "html_escape"}
    | {"misc", "mute_logger", "ormcache", "safe_eval", "split_every", "sql", "file_open", "file_path", "consteq"}
    | {
        "convert_file",
        "drop_view_if_exists",
        "table_exists",
        "table_kind",
        "float_repr",
        "is_html_empty",
        "html2plaintext",
    },
    "odoo.tools.date_utils": {"add", "end_of", "get_month", "start_of", "subtract"},
    "odoo.tools.misc": {"file_open", "file_path", "format_date", "format_datetime", "mute_logger", "str2bool"}
    | {"split_every", "groupby", "consteq", "formatLang"},
    "odoo.tools.float_utils": {"float_compare", "float_is_zero", "float_round"},
    "odoo.tools.parse_version": {"parse_version"},
    "odoo.tools.safe_eval": {"safe_eval", "time", "datetime"},
    "odoo.tools.sql": {"SQL", "column_exists", "create_index", "drop_view_if_exists", "index_exists"}
    | {"table_exists", "table_kind"},
    "odoo.tools.translate": {"_", "_lt"},
    "odoo.addons.base.models.res_partner": {"_tz_get"},
    "odoo.addons.base.models.res_users": {"check_identity"},
    "odoo.addons.mail.tests.common": {"mail_new_test_user"},
    "odoo.addons.bus.tests.common": {"WebsocketCase"},
    "odoo.addons.bus.models.bus": {"channel_with_db", "dispatch", "json_dump"},
}

#: Names of `odoo` and below that are gone or deprecated, with what to use instead.
PYTHON_GONE: dict[str, str] = {
    "odoo.registry": "use `from odoo.modules.registry import Registry`",
    "odoo.osv.expression": "leave it alone: build the domain as a list",
    "odoo.tools.lazy_property": "use `functools.cached_property`",
    "odoo.tools.pycompat": "use the standard library",
    "odoo.modules.get_module_resource": "use `odoo.tools.misc.file_path`",
    "odoo.modules.module.get_module_resource": "use `odoo.tools.misc.file_path`",
    "odoo.modules.get_resource_path": "use `odoo.tools.misc.file_path`",
    "odoo.api.returns": "19.0 has it not: return records or ids yourself",
    "odoo.models.Constraint": "it is 19.0's: write `_sql_constraints`",
    "odoo.models.Index": "it is 19.0's: write `index=` or create it in `init()`",
    "odoo.models.UniqueIndex": "it is 19.0's: create the index in `init()`",
    "odoo.fields.Domain": "it is 19.0's: build the domain as a list",
    "odoo.tests.SavepointCase": "use `TransactionCase`",
    "odoo.tests.common.SavepointCase": "use `TransactionCase`",
}

#: Attributes and methods that one of the series does not have or warns about, wherever they are used.
ATTRIBUTES_GONE: dict[str, str] = {
    "_cr": "use `self.env.cr`",
    "_uid": "use `self.env.uid`",
    "_context": "use `self.env.context`",
    "_apply_ir_rules": "use `_search`",
    "_check_m2m_recursion": "write the check out",
    "_check_recursion": "write the check out",
    "_filter_access_rules": "let the ORM check",
    "_filter_access_rules_python": "let the ORM check",
    "_flush_search": "use `flush_model`",
    "_generate_order_by": "use `_order_to_sql` or plain SQL",
    "_mapped_func": "use `mapped`",
    "_name_search": "use `_rec_names_search`",
    "_sendmany": "call `_sendone` for each",
    "_where_calc": "use `_search`",
    "check_access_rights": "leave it alone: let the ORM check",
    "check_access_rule": "leave it alone: let the ORM check",
    "check_field_access_rights": "let the ORM check",
    "clear_caches": "use `self.env.registry.clear_cache()`",
    "copy_multi": "use `copy`",
    "enter_test_mode": "the test classes do it",
    "fields_view_get": "use `get_view`",
    "groups_id": "ask with `has_group`, give with `new_test_user(groups=)` or imply it from another group",
    "leave_test_mode": "the test classes do it",
    "method_direct_trigger": "use `cron.ir_actions_server_id.run()`",
    "name_get": "use `display_name`",
    "norecompute": "leave it out",
    "numbercall": "it is in XML only, where the port drops it",
    "read_group": "use `_read_group`",
    "toggle_active": "use `action_archive` or `action_unarchive`",
    "user_has_groups": "use `self.env.user.has_group`",
    # 19.0 only: the authority is 17.0, and a machine without it would not notice.
    "_filtered_access": "17.0 has it not: let the ORM check",
    "all_group_ids": "17.0 has it not: ask with `has_group`",
    "check_access": "17.0 has it not: let the ORM check",
    "formatted_read_group": "17.0 has it not: use `_read_group`",
    "has_access": "17.0 has it not: let the ORM check",
    "privilege_id": "17.0 has it not: write `category_id`, the port does the rest",
}

#: Operators of a domain that one of the series does not have or warns about.
ROUTE_TYPES = {"http", "iot_api"}
"""Odoo's own that is the same on both, and the product's `ApiDispatcher`."""

OPERATORS_GONE = {"<>", "==", "inselect", "not inselect", "any!", "not any!"}

#: Methods whose signature or meaning differs, so that an override cannot be the same on both.
OVERRIDES_GONE: dict[str, str] = {
    "_check_credentials": "its arguments differ",
    "_get_im_status": "it is gone",
    "_login": "its arguments differ",
    "_message_get_suggested_recipients": "its arguments differ",
    "_name_search": "use `_rec_names_search`",
    "_notify_by_email_get_base_mail_values": "its arguments differ",
    "_read_group_groupby": "its arguments differ",
    "_search": "its arguments differ: use `_search_<field>` of a computed field",
    "_subscribe": "its argument differs: override `_build_bus_channel_list`",
    "_update_bus_presence": "it is gone",
    "authenticate": "its arguments differ",
    "copy_data": "its result differs: override `copy`",
    "fields_view_get": "use `_get_view`",
    "name_get": "use `_compute_display_name`",
    "name_search": "its arguments differ: use `_rec_names_search`",
    "read_group": "it is deprecated: use `_read_group`",
    "toggle_active": "use `action_archive` and `action_unarchive`",
    "web_read_group": "its arguments differ",
}

#: Attributes that every model has: a constraint of that name would replace it on 19.0.
MODEL_ATTRIBUTES = {"_abstract", "_active_name", "_auto", "_check_company_auto", "_date_name", "_depends"} | {
    *("_description", "_fields", "_fold_name", "_inherit", "_inherits", "_log_access", "_module", "_name", "_order"),
    *("_parent_name", "_parent_store", "_rec_name", "_rec_names_search", "_register", "_sequence", "_table"),
    *("_table_query", "_transient", "_translate"),
}

#: Arguments of `fields.X(...)` that 19.0 has renamed, and those that one of the series does not have.
FIELD_ARGUMENTS_RENAMED = {"group_operator": "aggregator"}
FIELD_ARGUMENTS_GONE: dict[str, str] = {
    "aggregator": "17.0 has it not: write `group_operator`, the port does the rest",
    "auto_join": "19.0 has renamed it: leave it out",
    "bypass_search_access": "17.0 has it not",
    "states": "use `readonly` in the view",
}

#: Models that 19.0 no longer has.
MODELS_GONE = {
    "bus.presence",
    "ir.property",
    "mail.resend.message",
    "mail.resend.partner",
    "mail.shortcode",
    "mail.wizard.invite",
    "res.config.installer",
    "res.partner.title",
    "sms.resend",
    "sms.resend.recipient",
}

#: Fields of Odoo's own models that 19.0 no longer has and the port does not replace.
_GROUPS = "restrict with `groups=` on the menu item, the field or the button"
FIELDS_GONE: dict[str, dict[str, str]] = {
    "discuss.channel.member": {"fold_state": "it is gone", "is_minimized": "it is gone"},
    "ir.actions.act_window": {"groups_id": _GROUPS},
    "ir.actions.report": {"groups_id": _GROUPS},
    "ir.actions.server": {"groups_id": _GROUPS},
    "ir.filters": {"user_id": "it has become user_ids"},
    "ir.model.fields": {"complete_name": "it is gone"},
    "ir.ui.menu": {"groups_id": _GROUPS},
    "ir.ui.view": {"groups_id": _GROUPS},
    "mail.activity.type": {"keep_done": "it is gone"},
    "mail.compose.message": {"record_name": "it is gone"},
    "mail.message": {"description": "it is gone"},
    "res.groups": {
        "color": "it is gone",
        "user_ids": "17.0 has it not: imply the group from `base.group_system` or another group",
        "users": "imply the group from `base.group_system` or another group",
        "privilege_id": "17.0 has it not: write `category_id`, the port does the rest",
    },
    "res.partner": {"date": "it is gone", "mobile": "use `phone`", "title": "it is gone"},
    "res.users": {
        "group_ids": "17.0 has it not: imply the group from `base.group_system` or another group",
        "groups_id": "imply the group from `base.group_system` or another group",
    },
}

#: Views and templates of Odoo itself that a view of ours may inherit: the same in both, at the places we touch.
INHERITABLE_VIEWS = {"base.res_config_settings_view_form"}
INHERITABLE_TEMPLATES: set[str] = set()

#: Widgets that 19.0 no longer has: the field would fall back to its plain form without a word.
WIDGETS_GONE = {"CopyClipboardText", "DynamicModelFieldSelectorChar", "font", "jsonb"}
