"""A schema registry as small as tests need it, and messages in Avro: encoded by Debian's python3-avro, which knows nothing of the engine."""

import base64
import functools
import io
import json
import struct
import threading
import urllib.parse
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import avro.io
import avro.schema


class Registry:
    """GET /schemas/ids/N and /subjects/S/versions/V over HTTP. `answer` forges what it says: a status, or a function of the path."""

    def __init__(self, user=None, password=None):
        self.by_id, self.subjects, self.requests = {}, {}, []
        self.answer = None
        self._expected = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else None
        self._server, self._port = None, 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    def start(self):
        """On the port that it had before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        """Nobody listens there any more."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._server = None

    def register(self, schema, subject=None, references=(), kind=None):
        """The id of a schema (text, or what JSON makes of it). references: (name, subject) of what it refers to."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        entry = {"schema": text, **({"schemaType": kind} if kind else {})}
        if references:
            entry["references"] = [{"name": name, "subject": of, "version": 1} for name, of in references]
        for number, known in self.by_id.items():
            if known == entry:
                return number
        number = len(self.by_id) + 1
        self.by_id[number] = entry
        if subject:
            self.subjects[subject] = {"subject": subject, "version": 1, "id": number, **entry}
        return number

    def _find(self, path):
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] == ["schemas", "ids"]:
            return self.by_id.get(int(parts[2]))
        if parts[0] == "subjects" and parts[2:] == ["versions", "1"]:
            return self.subjects.get(parts[1])
        return None

    def _handler(self):
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                registry.requests.append(self.path)
                forged = registry.answer(self.path) if callable(registry.answer) else registry.answer
                if registry._expected and self.headers.get("Authorization") != registry._expected:
                    return self._say(401, {"error_code": 401, "message": "Unauthorized"})
                if forged:
                    return self._say(forged, {"error_code": forged * 100 + 1, "message": "forged"})
                found = registry._find(self.path)
                return self._say(200, found) if found else self._say(404, {"error_code": 40403, "message": "Schema not found"})

            def _say(self, status, body):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        return Handler


# ---- messages ----

PRIMITIVES = {"int8": "int", "int16": "int", "int32": "int", "int64": "long", "float": "float", "double": "double", "boolean": "boolean",
              "string": "string", "bytes": "bytes"}
LOGICAL = {"org.apache.kafka.connect.data.Decimal": "decimal", "org.apache.kafka.connect.data.Date": "date",
           "org.apache.kafka.connect.data.Time": "time-millis", "org.apache.kafka.connect.data.Timestamp": "timestamp-millis"}


def sanitised(name):
    """Debezium's field.name.adjustment.mode=avro."""
    spelt = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"_{spelt}" if spelt[:1].isdigit() else spelt


def avro_schema(connect, named=None):
    """The Avro schema that Kafka Connect's Avro converter makes of a Connect schema (as its JSON converter writes it)."""
    named = set() if named is None else named
    kind, name = connect["type"], connect.get("name")
    if kind == "struct":
        # Names are full ones here, so that no namespace is inherited.
        if name in named:
            made = name
        else:
            named.add(name)
            fields = [{"name": sanitised(f["field"]), "type": avro_schema(f, named), **({"default": None} if f.get("optional") else {})}
                      for f in connect["fields"]]
            space, _, last = name.rpartition(".")
            made = {"type": "record", "name": last, "namespace": space, "fields": fields, "connect.name": name}
    else:
        made = {"type": PRIMITIVES[kind]}
        if PRIMITIVES[kind] != kind and kind in ("int8", "int16"):
            made["connect.type"] = kind
        if name:
            made.update({"connect.version": 1, "connect.name": name})
        if connect.get("parameters"):
            made["connect.parameters"] = connect["parameters"]
        if name in LOGICAL:
            made["logicalType"] = LOGICAL[name]
        if LOGICAL.get(name) == "decimal":
            made.update(scale=int(connect["parameters"]["scale"]), precision=int(connect["parameters"].get("connect.decimal.precision", 65)))
    return ["null", made] if connect.get("optional") else made


def _plain(schema):
    """Without logical types, for which the encoder would want other Python values."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if isinstance(schema, dict):
        return {name: _plain(value) for name, value in schema.items() if name not in ("logicalType", "connect.parameters", "scale", "precision")}
    return schema


def _datum(connect, value):
    if value is None:
        return None
    if connect["type"] == "struct":
        return {sanitised(f["field"]): _datum(f, value.get(f["field"])) for f in connect["fields"]}
    return base64.b64decode(value) if connect["type"] == "bytes" else value


@functools.cache
def _writer(schema):
    return avro.io.DatumWriter(avro.schema.parse(json.dumps(_plain(json.loads(schema)))))


def encode(schema, datum):
    out = io.BytesIO()
    _writer(json.dumps(schema)).write(datum, avro.io.BinaryEncoder(out))
    return out.getvalue()


def framed(number, data):
    """Confluent's wire format."""
    return struct.pack(">bI", 0, number) + data


class Avro:
    """Messages for a registry: avro(schema, datum) is one, avro.of(records) are Debezium's, made from those in JSON with schemas."""

    def __init__(self, registry):
        self.registry = registry

    def __call__(self, schema, datum):
        return framed(self.registry.register(json.dumps(schema)), encode(schema, datum))

    def _side(self, text):
        if text is None:
            return None
        message = json.loads(text)
        schema = avro_schema(message["schema"])
        return self(schema, _datum(message["schema"], message["payload"]))

    def of(self, records):
        return [replace(r, key=self._side(r.key), value=self._side(r.value))
                for record in records for r in (record if isinstance(record, list) else [record])]
