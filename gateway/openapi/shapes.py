"""Schemas to JSON Schema: what each checks, as exactly as that language can say it.

Knows the kernel's field types and no domain's: a type says of itself what it takes, in `described`.
"""

import inspect
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from gateway.kernel.fields import Resource, Status, Strict
from gateway.kernel.stateful import Stateful


class Converter(OpenAPIConverter):
    """Adds what our own types and schemas say of themselves."""

    def init_attribute_functions(self) -> None:
        super().init_attribute_functions()  # type: ignore[no-untyped-call]
        self.attribute_functions += [_own_facts, _statuses]

    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        shape: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if said := type(schema).__doc__:
            shape["description"] = inspect.cleandoc(said)
        if isinstance(schema, Resource):
            # All of it is always there, and more may be one day: readers ignore what is new.
            shape["required"] = list(shape["properties"])
            del shape["additionalProperties"]
            for field in shape["properties"].values():
                field.pop("readOnly", None)  # as all of them are
        if isinstance(schema, Strict):
            shape |= schema.described
        return shape


class Plugin(MarshmallowPlugin):
    Converter = Converter

    def __init__(self) -> None:
        super().__init__(schema_name_resolver=name)

    def query(self, schema: Schema) -> list[dict[str, Any]]:
        """The parameters of a query, which has no null: what is not meant is left out."""
        assert self.converter is not None  # noqa: S101 - set when the plugin joins its document
        parameters: list[dict[str, Any]] = self.converter.schema2parameters(
            schema, location="query"
        )
        for parameter in parameters:
            shape = parameter["schema"]
            if isinstance(shape["type"], list):
                shape["type"] = shape["type"][0]
            if shape.get("default", ...) is None:
                del shape["default"]
        return parameters


def name(schema: Any) -> str:
    """`OrderSchema` is called Order."""
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__.removesuffix("Schema"))


def _own_facts(field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    facts: dict[str, Any] = getattr(field, "described", {})
    return {key: fact for key, fact in facts.items() if key not in field.metadata}


def _statuses(field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    return {"enum": statuses(field.kind)} if isinstance(field, Status) else {}


def statuses(kind: str) -> list[str]:
    """Every status in which a row of this kind can be, in the order of its life."""
    todo = list(Stateful.__subclasses__())
    for each in todo:
        todo += each.__subclasses__()
        if getattr(each, "KIND", None) == kind:
            return [str(status) for status in type(each.TRANSITIONS[None][0])]
    raise LookupError(f"There are no rows of the kind {kind!r}.")
