"""Debezium's messages in Avro, behind a schema registry of their own, which ends with the process."""

import base64
import functools

from ..job import Lua
from ..registry import Avro, Registry
from . import Raw


@functools.cache
def _registry():
    return Registry()


class InAvro:
    """What a producer of Debezium's messages with schemas makes, in Avro."""

    shown = "{ 'avro', registry = 'http://...' }"

    def __init__(self, producer):
        self._producer = producer

    @property
    def source(self):
        return Lua(f'{{ "avro", registry = "{_registry().url}" }}')

    def wire(self, type_, cell):
        """As people see it: bytes are bytes here."""
        wire = self._producer.wire(type_, cell)
        if wire is None or self._producer._schema(type_)["type"] != "bytes":
            return wire
        return Raw("x'" + base64.b64decode(wire).hex().upper() + "'")

    def __getattr__(self, name):
        made = getattr(self._producer, name)
        if name not in ("insert", "snapshot", "update", "delete"):
            return made
        return lambda *change: Avro(_registry()).of(made(*change))
