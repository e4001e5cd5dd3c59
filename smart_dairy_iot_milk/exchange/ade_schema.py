"""What a milking visit of ICAR's Animal Data Exchange (ADE) has to look like, as far as the platform reads or writes
it.

Stricter than ICAR's own schema where a value could not be a milking's, and open for what else it has: further fields
are left alone. What is optional may be null, as other systems write it; the platform itself writes no null.
"""

RESOURCE_TYPE = "icarMilkingVisitEventResource"
QUARTERS = ("LF", "RF", "LR", "RR")
REMARKS = ("AnimalSick", "MilkingIncomplete", "TeatSeparated", "MilkedSeparately", "SamplingFailed")

LONGEST_TEXT = 255
WITHOUT_NUL = "^[^\\u0000]*$"
"""The one character that no text in the database can have."""
MOST_KILOGRAMS = 200
"""No cow gives as much at one milking."""
MOST_CHARACTERISTICS = 100


def _text(**rest):
    return {"type": "string", "maxLength": LONGEST_TEXT, "pattern": WITHOUT_NUL, **rest}


def _or_null(schema):
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    nullable = {**schema, "type": [*types, "null"]}
    return {**nullable, "enum": [*schema["enum"], None]} if "enum" in schema else nullable


TEXT = _or_null(_text())
MOMENT = {"type": "string", "format": "date-time", "description": "RFC 3339, e.g. 2026-01-31T05:30:00Z."}
IDENTIFIER = {
    "type": "object",
    "required": ["id", "scheme"],
    "properties": {"id": _text(minLength=1), "scheme": _text(minLength=1)},
}
WEIGHT = {
    "type": "object",
    "required": ["unitCode", "value"],
    "properties": {
        "unitCode": {"type": "string", "enum": ["KGM"]},
        "value": {"type": "number", "minimum": 0, "maximum": MOST_KILOGRAMS},
    },
}
DURATION = {
    "type": "object",
    "properties": {
        "unitCode": {"type": "string", "enum": ["SEC", "MIN"]},
        "value": {"type": "number", "minimum": 0, "maximum": 86_400},
    },
}
CHARACTERISTICS = {
    "type": "array",
    "maxItems": MOST_CHARACTERISTICS,
    "items": {
        "type": "object",
        "required": ["characteristic", "value"],
        "properties": {"characteristic": _text(), "value": _text(), "unit": TEXT},
    },
    "description": "SCC (1000 cells/mL), FAT, PROTEIN and LAC (%), BLOOD (true or false), AVGCOND (mS/cm at 25 °C),"
    " AVGFLWR and MAXFLWR (kg/min), TEMPERATURE (°C); each value is a text.",
}
QUARTER_MILKINGS = {
    "type": "array",
    "maxItems": len(QUARTERS),
    "items": {
        "type": "object",
        "required": ["icarQuarterId"],
        "properties": {
            "icarQuarterId": {"type": "string", "enum": list(QUARTERS)},
            "quarterMilkingWeight": _or_null(WEIGHT),
            "icarQuarterCharacteristics": _or_null(CHARACTERISTICS),
        },
    },
}
META = {
    "type": "object",
    "required": ["source", "sourceId", "modified"],
    "properties": {
        "source": _text(minLength=1, description="The system it comes from: a URI or a reversed domain name."),
        "sourceId": _text(minLength=1, description="The milking in that system; what comes again updates it."),
        "modified": MOMENT,
        "created": _or_null(MOMENT),
        "isDeleted": {"type": ["boolean", "null"]},
    },
}
VISIT = {
    "type": "object",
    "required": ["resourceType", "meta", "animal", "milkingStartingDateTime", "milkingMilkWeight"],
    "properties": {
        "resourceType": {"type": "string", "enum": [RESOURCE_TYPE]},
        "id": TEXT,
        "meta": META,
        "location": _or_null(IDENTIFIER),
        "animal": IDENTIFIER,
        "milkingStartingDateTime": MOMENT,
        "milkingDuration": _or_null(DURATION),
        "milkingType": _or_null({"type": "string", "enum": ["Manual", "Automated"]}),
        "milkingMilkWeight": WEIGHT,
        "milkingComplete": {"type": ["boolean", "null"]},
        "milkingParlourUnit": TEXT,
        "milkingBoxNumber": TEXT,
        "milkingDeviceId": TEXT,
        "measureDeviceId": TEXT,
        "quarterMilkings": _or_null(QUARTER_MILKINGS),
        "milkCharacteristics": _or_null(CHARACTERISTICS),
        "milkingRemarks": _or_null(
            {"type": "array", "maxItems": 20, "items": {"type": "string", "enum": list(REMARKS)}}
        ),
    },
}
"""A milking visit."""

VIEW = {
    "type": "object",
    "required": ["pageSize", "currentPage", "first"],
    "properties": {
        "totalItems": {"type": "integer", "description": "On the first page."},
        "totalPages": {"type": "integer", "description": "On the first page."},
        "pageSize": {"type": "integer"},
        "currentPage": {"type": "integer"},
        "first": {"type": "string"},
        "next": {"type": "string", "description": "The next page; missing on the last one."},
    },
}
MESSAGE = {
    "type": "object",
    "required": ["type", "severity", "status", "title", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Stable: programs decide by it."},
        "severity": {"type": "string", "enum": ["Information", "Warning", "Error"]},
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string", "description": "A sentence for people, in the user's language."},
        "instance": {"type": "string", "description": "The field that it is about."},
    },
}
"""RFC 7807, as ICAR's response messages have it."""

BATCH_RESULT = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "id": {"type": "string"},
        "meta": META,
        "messages": {"type": "array", "items": MESSAGE},
    },
}
