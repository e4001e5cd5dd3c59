"""What is known of the web clients of Odoo 17.0 and 19.0: tables of the same two kinds as in `known.py`."""

from __future__ import annotations

#: Asset bundles that are there in both.
BUNDLES = {
    "web._assets_primary_variables",
    "web.assets_backend",
    "web.assets_common",
    "web.assets_frontend",
    "web.assets_tests",
    "web.report_assets_common",
}

#: JavaScript modules whose given names are exported by both series with the same meaning.
JAVASCRIPT_IMPORTS: dict[str, set[str]] = {
    "@odoo/owl": {"App", "Component", "EventBus", "markRaw", "markup", "mount", "onError", "onMounted", "onPatched"}
    | {"onRendered", "onWillDestroy", "onWillPatch", "onWillRender", "onWillStart", "onWillUnmount", "whenReady"}
    | {"onWillUpdateProps", "reactive", "status", "toRaw", "useChildSubEnv", "useComponent", "useEffect", "useEnv"}
    | {"useExternalListener", "useRef", "useState", "useSubEnv", "xml"},
    "@web/core/assets": {"LazyComponent", "loadBundle", "loadCSS", "loadJS"},
    "@web/core/browser/browser": {"browser"},
    "@web/core/checkbox/checkbox": {"CheckBox"},
    "@web/core/colors/colors": {"getColor"},
    "@web/core/confirmation_dialog/confirmation_dialog": {"AlertDialog", "ConfirmationDialog"},
    "@web/core/dialog/dialog": {"Dialog"},
    "@web/core/domain": {"Domain"},
    "@web/core/errors/error_dialogs": {"RPCErrorDialog"},
    "@web/core/l10n/dates": {"deserializeDate", "deserializeDateTime", "formatDate", "formatDateTime"}
    | {"formatDuration", "parseDate", "parseDateTime", "serializeDate", "serializeDateTime", "today"},
    "@web/core/l10n/localization": {"localization"},
    "@web/core/l10n/translation": {"_t"},
    "@web/core/network/download": {"download", "downloadFile"},
    "@web/core/registry": {"registry"},
    "@web/core/utils/arrays": {"groupBy", "sortBy", "unique", "zip"},
    "@web/core/utils/concurrency": {"Deferred", "KeepLast", "Mutex", "Race", "delay"},
    "@web/core/utils/hooks": {"useAutofocus", "useBus", "useService"},
    "@web/core/utils/numbers": {"clamp", "formatFloat", "humanNumber", "range", "roundDecimals", "roundPrecision"},
    "@web/core/utils/patch": {"patch"},
    "@web/core/utils/strings": {"capitalize", "escapeRegExp", "sprintf"},
    "@web/core/utils/timing": {"batched", "debounce", "throttleForAnimation", "useDebounced"},
    "@web/core/utils/urls": {"redirect", "url"},
    "@web/search/layout": {"Layout"},
    "@web/session": {"session"},
    "@web/views/fields/formatters": {"formatBoolean", "formatChar", "formatFloat", "formatFloatTime"}
    | {"formatInteger", "formatMany2one", "formatPercentage", "formatSelection", "formatText"},
    "@web/views/fields/selection/selection_field": {"SelectionField", "selectionField"},
    "@web/views/fields/standard_field_props": {"standardFieldProps"},
    "@web/views/form/form_view": {"formView"},
    "@web/views/kanban/kanban_view": {"kanbanView"},
    "@web/views/list/list_view": {"listView"},
    "@web/webclient/actions/action_service": {"standardActionServiceProps"},
}

#: Services of the web client that both series have, by what `useService` or `env.services` is given.
SERVICES = {
    "action",
    "bus_service",
    "command",
    "dialog",
    "effect",
    "error",
    "field",
    "file_upload",
    "hotkey",
    "http",
    "localization",
    "menu",
    "multi_tab",
    "name",
    "notification",
    "orm",
    "overlay",
    "popover",
    "title",
    "tooltip",
    "ui",
    "view",
}
SERVICES_GONE: dict[str, str] = {
    "company": "ask the server with `orm.call`",
    "cookie": "use `document.cookie`",
    "router": "use the action's parameters",
    "rpc": "use `orm.call`, or fetch to an http route",
    "user": "ask the server with `orm.call`",
}

#: Keys of `session` that 19.0 deletes as soon as the web client has started.
SESSION_KEYS_GONE = {"home_action_id", "is_admin", "is_internal_user", "is_system", "name", "partner_id"} | {
    "show_effect",
    "uid",
    "user_context",
    "username",
}

#: Methods of the `orm` service that differ.
ORM_METHODS_GONE: dict[str, str] = {
    "formattedReadGroup": "17.0 has it not: a method of the model through `orm.call`",
    "readGroup": "a method of the model through `orm.call`",
    "webReadGroup": "a method of the model through `orm.call`",
}

#: What a step of a tour may have, and the actions given by name that both series understand.
TOUR_STEP_KEYS = {"content", "run", "timeout", "trigger"}
TOUR_RUN_WORDS = {"click", "dblclick"}
