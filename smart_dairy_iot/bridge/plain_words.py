"""What a JSON schema's validator finds wrong with a payload, in words for people who know devices, not schemas."""

import json

#: A message of a megabyte would otherwise come with a complaint of a megabyte.
_LONGEST_QUOTE = 60
_MOST_COMPLAINTS = 10
_encoder = json.JSONEncoder(ensure_ascii=False)

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_FORMATS = {
    "date-time": "a time with date and offset, such as 2026-05-04T04:31:07Z",
    "date": "a date, such as 2026-05-04",
}
# Keyword of the schema -> (the key of what the validator says about it, the sentence).
_SENTENCES = {
    "required": ("property", "{detail} is missing"),
    "maximum": ("limit", "{value} is more than {detail}"),
    "minimum": ("limit", "{value} is less than {detail}"),
    "exclusiveMaximum": ("limit", "{value} is not less than {detail}"),
    "exclusiveMinimum": ("limit", "{value} is not more than {detail}"),
    "multipleOf": ("multiple_of", "{value} is not a multiple of {detail}"),
    "maxLength": ("limit", "{value} has more than {detail} characters"),
    "minLength": ("limit", "{value} has fewer than {detail} characters"),
    "maxItems": ("limit", "the list has more than {detail} entries"),
    "minItems": ("limit", "the list has fewer than {detail} entries"),
    "maxProperties": ("limit", "the object has more than {detail} fields"),
    "minProperties": ("limit", "the object has fewer than {detail} fields"),
    "uniqueItems": (None, "the list has an entry twice"),
    "pattern": ("pattern", "{value} does not have the form {detail}"),
    "const": ("expected_value", "{value} is not {detail}"),
    "falseSchema": (None, "{value} is not allowed here"),
    "anyOf": (None, "{value} is none of what is allowed here"),
}


def explain(errors):
    """One sentence for each thing that is wrong, with its place, separated by semicolons.

    :param errors: iterable of `jsonschema_rs.ValidationError`
    :return: e.g. "quality.fat_percentage: 12 is more than 10; timestamp is missing"
    """
    errors = list(errors)
    sentences = [_with_place(error) for error in errors[:_MOST_COMPLAINTS]]
    left_out = len(errors) - len(sentences)
    if left_out:
        sentences.append(f"and {left_out} more")
    return "; ".join(sentences)


def _with_place(error):
    place = _place(error.instance_path)
    return f"{place}: {sentence(error)}" if place else sentence(error)


def _place(steps):
    """`quality.fat_percentage`, `readings[2].value`; "" for the payload itself."""
    place = ""
    for step in steps:
        place += f"[{step}]" if isinstance(step, int) else f".{_cut(step)}"
    return place.removeprefix(".")


def sentence(error):
    """What one `jsonschema_rs.ValidationError` says, without its place."""
    keyword, details = error.kind.name, error.kind.as_dict()
    value = _quote(error.instance)
    if keyword == "type":
        names = sorted(details["types"], key=lambda name: name == "null")
        return f"{value} is not {_either(_TYPES.get(name, name) for name in names)}"
    if keyword == "enum":
        return f"{value} is not {_either(_quote(option) for option in details['options'])}"
    if keyword == "format":
        return f"{value} is not {_FORMATS.get(details['format'], details['format'])}"
    if keyword == "additionalProperties":
        return f"not a field that there is: {_cut(', '.join(details['unexpected']))}"
    if keyword in _SENTENCES:
        key, wording = _SENTENCES[keyword]
        detail = details[key] if key else None
        return wording.format(value=value, detail=detail if key == "property" else _quote(detail))
    # What our schemas do not use, and somebody else's may.
    return _cut(error.message, 4 * _LONGEST_QUOTE)


def _either(names):
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _quote(value):
    """The beginning of a value as JSON; the rest is not even written, for it can be a megabyte in each complaint."""
    text = ""
    for piece in _encoder.iterencode(value):
        text += piece
        if len(text) > _LONGEST_QUOTE:
            break
    return _cut(text)


def _cut(text, longest=_LONGEST_QUOTE):
    return text if len(text) <= longest else f"{text[:longest]}…"
