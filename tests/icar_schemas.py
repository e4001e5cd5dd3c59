"""ICAR's own JSON schemas of its Animal Data Exchange, where they lie beside the project."""

import json
from pathlib import Path

import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from stack.paths import ROOT

SCHEMAS = ROOT.parent / "shared" / "data" / "icar-ade"
COLLECTION = "collections/icarResourceCollection.json"
OWN_COLLECTION = {
    "type": "object",
    "properties": {
        "view": {
            "type": "object",
            "properties": {
                "totalItems": {"type": "integer"},
                "totalPages": {"type": "integer"},
                "pageSize": {"type": "integer"},
                "currentPage": {"type": "integer"},
                "first": {"type": "string", "format": "uri"},
                "next": {"type": "string", "format": "uri"},
            },
        },
        "member": {"type": "array"},
    },
}
"""What the folder lacks: the collection that the collection of milking visits extends."""


def icar_validator(name):
    """Of one of ICAR's schemas, which refer to each other by their places in the folder."""
    if not SCHEMAS.is_dir():
        pytest.skip(f"ICAR's schemas are not here: {SCHEMAS.name} is not beside the project")

    def retrieve(uri):
        path = Path(uri.removeprefix("file://"))
        own = OWN_COLLECTION if path == SCHEMAS / COLLECTION and not path.exists() else None
        return Resource.from_contents(own or json.loads(path.read_text()), DRAFT202012)

    schema = {"$ref": (SCHEMAS / name).as_uri()}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, registry=Registry(retrieve=retrieve), format_checker=checker)
