"""The API's description as one page: nothing on it comes from elsewhere, and no script is needed."""

import json
import re

from markupsafe import Markup, escape

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #212529; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid #dee2e6; padding-top: 1.5rem; margin-top: 2rem; font-size: 1.2rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: #f5f6f8; padding: .75rem 1rem; overflow-x: auto; border-radius: 4px; }
.method { display: inline-block; min-width: 4.2rem; text-align: center; border-radius: 4px; color: #fff;
    background: #475569; margin-right: .5rem; font-size: .85rem; padding: .1rem 0; }
.post, .put { background: #0f6e3c; } .delete { background: #a61b1b; } .get { background: #1d4f91; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
    padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e9ecef; }
td:last-child, code { overflow-wrap: anywhere; } .errors { color: #6c757d; }
@media (max-width: 40rem) {
    th { display: none; } td { display: block; border: 0; padding: .1rem 0; overflow-wrap: anywhere; }
    tr { display: block; border-bottom: 1px solid #e9ecef; padding: .3rem 0; } td:first-child { font-weight: bold; }
}
summary { cursor: pointer; margin: .5rem 0; } nav li { list-style: none; } nav ul { padding: 0; }
"""
_CALLERS = {"user": "users (API key)", "device": "devices (own credentials)"}


def docs_page(document):
    """HTML of an OpenAPI document as `openapi.document` makes it."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    info = document["info"]
    contents = Markup().join(_entry(*operation) for operation in operations)
    sections = Markup().join(_section(*operation) for operation in operations)
    return Markup(
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'/>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'/>"
        "<title>%s API</title><style>%s</style></head><body><h1>%s API</h1><p>%s</p>"
        "<h2>Who calls</h2>%s<h2>Errors</h2>%s<h2>Addresses</h2><nav><ul>%s</ul></nav>%s</body></html>"
    ) % (
        info["title"],
        Markup(_STYLE),
        info["title"],
        info["description"],
        _security(document["components"]["securitySchemes"]),
        _errors(document["components"]),
        contents,
        sections,
    )


def _security(schemes):
    rows = [
        (name, f"Authorization: {scheme['scheme'].title()} …", scheme["description"])
        for name, scheme in schemes.items()
    ]
    return _table(("Caller", "Header", ""), rows)


def _errors(components):
    rows = [(status, _text(response["description"])) for status, response in components["responses"].items()]
    return _table(("Status", "When"), rows) + _schema("Body of an error", components["schemas"]["Error"])


def _entry(method, path, operation):
    return Markup("<li>%s<a href='#%s'><code>%s</code></a> %s</li>") % (
        _badge(method),
        operation["operationId"],
        path,
        operation["summary"],
    )


def _text(markdown):
    """The little Markdown that descriptions have: paragraphs, and `code`."""
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(markdown)))
    return Markup(html.replace("\n\n", "</p><p>"))


def _badge(method):
    return Markup("<span class='method %s'>%s</span>") % (method, method.upper())


def _section(method, path, operation):
    callers = [_CALLERS[name] for requirement in operation["security"] for name in requirement]
    parts = [
        Markup("<h2 id='%s'>%s<code>%s</code></h2><p><b>%s.</b> %s</p><p>For %s.</p>")
        % (
            operation["operationId"],
            _badge(method),
            path,
            operation["summary"],
            _text(operation.get("description", "")),
            " and ".join(callers) or "anybody",
        )
    ]
    if operation["parameters"]:
        rows = [
            (parameter["name"], parameter["in"], _limits(parameter["schema"]), parameter.get("description", ""))
            for parameter in operation["parameters"]
        ]
        parts.append(_table(("Parameter", "In", "Values", ""), rows))
    if "requestBody" in operation:
        parts.append(_schema("Body", operation["requestBody"]["content"]["application/json"]["schema"]))
    parts += [_answer(status, response) for status, response in operation["responses"].items()]
    errors = ", ".join(status for status, response in operation["responses"].items() if "$ref" in response)
    parts.append(Markup("<p class='errors'>Errors: %s</p>") % errors)
    return Markup().join(parts)


def _answer(status, response):
    if "$ref" in response:
        return Markup()
    return Markup().join(
        _schema(f"Answer {status}, {media_type}", content["schema"])
        for media_type, content in response.get("content", {}).items()
    )


def _limits(schema):
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    limits = [str(schema.get("type", ""))]
    limits += [f"{name} {schema[key]}" for key, name in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return " ".join(limits) + (f", default {schema['default']}" if "default" in schema else "")


def _schema(title, schema):
    return Markup("<details><summary>%s</summary><pre>%s</pre></details>") % (
        title,
        json.dumps(schema, indent=2, ensure_ascii=False),
    )


def _table(header, rows):
    cells = Markup().join(Markup("<th>%s</th>") % name for name in header)
    body = Markup().join(
        Markup("<tr>%s</tr>") % Markup().join(Markup("<td>%s</td>") % cell for cell in row) for row in rows
    )
    return Markup("<table><tr>%s</tr>%s</table>") % (cells, body)
