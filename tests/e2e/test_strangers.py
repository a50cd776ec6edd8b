"""Closed to strangers: TLS and logins, secrets, what messages call themselves, and the HTTP port."""

import contextlib
import os
import re
import socket
from pathlib import Path

import pytest

from support.certificates import Authority
from support.debezium import Table
from support.files import sqlite
from support.job import Lua, kafka_source, lua, sqlite_sink, tidb_sink
from support.servers import Kafka, MariaDB, Record

SECRET = "s3cret-Wort"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return Authority(folder, "right"), Authority(folder, "wrong")


def secrets_of(job, *more):
    """Wherever a secret could show: what was said, what is told, what other users of the machine see."""
    texts = [job.log(), job.out(), *(job.http(path)[1] for path in ("/", "/status", "/status.txt", "/metrics", "/readyz")), *more]
    for pid in [job.pid, *job.workers()] if job.process and job.process.poll() is None else []:
        texts.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
    return [text for text in texts if SECRET in text]


# ---- the database ----

@pytest.fixture(scope="module")
def secured_mariadb(authorities):
    """Has a certificate for localhost, and none for 127.0.0.1."""
    certificate, key = authorities[0].sign("mariadb", "DNS:localhost")
    server = MariaDB(MARIADB_OPTIONS=f"--ssl-cert={certificate} --ssl-key={key} --require-secure-transport=OFF").start()
    server.execute(f"CREATE USER 'sync'@'%' IDENTIFIED BY '{SECRET}' REQUIRE SSL; GRANT ALL ON *.* TO 'sync'@'%'")
    yield server
    server.close()


def test_tls_to_the_database_is_verified_by_default(secured_mariadb, authorities, job, unique):
    right, wrong = authorities
    database = secured_mariadb.create_database(unique)
    secured_mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY)", database=database)
    job.write(t="return {}").file("in.jsonl", '{"id": 1}\n')

    def run(tls, **more):
        place = {"host": "localhost", "port": secured_mariadb.port, "user": "sync", "password": SECRET, "database": database, "tls": tls, **more}
        job.job(Lua('sl.source.file { path = "in.jsonl", format = "json", topic = "t" }'), Lua(f"sl.sink.tidb {lua(place)}"))
        result = job.run()
        assert SECRET not in result.err + result.out
        return result

    run({"ca": str(right.certificate)}).ok()
    assert secured_mariadb.value("SELECT COUNT(*) FROM t", database=database) == 1
    for tls, host, what in [({"ca": str(wrong.certificate)}, "localhost", "certificate"),
                            (True, "localhost", "certificate"),  # an authority that the system does not know
                            ({"ca": str(right.certificate)}, "127.0.0.1", "certificate|host")]:
        refused = run(tls, host=host)
        assert refused.code == 2 and re.search(what, refused.err, re.I), refused.err
        assert "`tls` in the job's sink" in refused.err
    run({"verify": False}, host="127.0.0.1").ok()
    # The user may not come without TLS; and a server that has none is not spoken to without.
    assert run(None).code == 2
    wrong_password = run({"ca": str(right.certificate)}, password="wr0ng")
    assert wrong_password.code == 2 and "Access denied" in wrong_password.err and "wr0ng" not in wrong_password.err


def test_a_database_without_tls_is_not_spoken_to_where_the_job_wants_tls(mariadb, database, job):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY)", database=database)
    job.write(t="return {}").file("in.jsonl", '{"id": 1}\n')
    job.job(Lua('sl.source.file { path = "in.jsonl", format = "json", topic = "t" }'), tidb_sink(mariadb, database, tls=True))
    refused = job.run()
    assert refused.code == 2 and re.search("SSL|TLS", refused.err), refused.err
    assert mariadb.value("SELECT COUNT(*) FROM t", database=database) == 0


# ---- the broker ----

@pytest.fixture(scope="module")
def secured_kafka(authorities, tmp_path_factory):
    """SASL (PLAIN and SCRAM) over TLS."""
    certificate, key = authorities[0].sign("kafka", "IP:127.0.0.1")
    store = tmp_path_factory.mktemp("kafka") / "store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    module = "org.apache.kafka.common.security"
    properties = [
        "ssl.keystore.type=PEM", f"ssl.keystore.location={store}", "ssl.client.auth=none",
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
        f'listener.name.client.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_sync="{SECRET}";',
        f"listener.name.client.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;",
    ]
    server = Kafka(KAFKA_PROTOCOL="SASL_SSL", KAFKA_PROPERTIES="\n".join(properties), KAFKA_SCRAM=f"SCRAM-SHA-256=[name=sync,password={SECRET}]").start()
    server.create_topic("t", 1)
    server.produce([Record("t", b"k", b'{"id": 1}'), Record("t", b"k", b"broken")])
    yield server
    server.close()


def test_tls_and_sasl_to_the_broker(secured_kafka, authorities, job):
    right, wrong = authorities
    job.write(t="return {}")

    def config(mechanism="PLAIN", ca=right, **more):
        return {"security.protocol": "SASL_SSL", "ssl.ca.location": str(ca.certificate), "sasl.mechanism": mechanism, "sasl.username": "sync",
                "sasl.password": SECRET, **{name.replace("_", "."): value for name, value in more.items()}}

    def run(config, address=secured_kafka.address):
        sqlite(job.folder / "out.db", "DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY); DROP TABLE IF EXISTS streamlua_progress")
        job.job(kafka_source(secured_kafka, "t", format="json", config=config, brokers=address), sqlite_sink("out.db"))
        result = job.run("--until", "latest", timeout=60)
        assert SECRET not in result.err + result.out
        return result

    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        run(config(mechanism)).ok()
        assert sqlite(job.folder / "out.db", "SELECT id FROM t") == [{"id": 1}]
        refused = run(config(mechanism, sasl_password="wr0ng"))
        assert refused.code == 2 and re.search("authentication", refused.err, re.I) and "wr0ng" not in refused.err, refused.err
    port = secured_kafka.address.rpartition(":")[2]
    for refused in (run(config(ca=wrong)), run(config(), f"localhost:{port}")):
        assert refused.code == 2 and "certificate verify failed" in refused.err and "`config` of the job's source" in refused.err, refused.err

    # And nothing of it shows while it runs.
    run(config()).ok()
    job.start("--from", "earliest")
    job.wait_for(lambda: "dead letter" in job.log(), "a dead letter")
    assert secrets_of(job) == []
    assert job.stop().code == 0


# ---- secrets ----

def test_a_password_shows_nowhere_whatever_goes_wrong(kafka, mariadb, topic, database, job, proxy):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY)", database=database)
    user = f"u{database[-8:]}"
    mariadb.execute(f"CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{SECRET}'; GRANT ALL ON *.* TO '{user}'@'127.0.0.1'")
    try:
        table = Table("t", topic=topic())
        sink = tidb_sink(mariadb, database, port=proxy.port).replace('"streamlua", ["password"] = "streamlua"', f'"{user}", ["password"] = sl.env "DB_PASSWORD"')
        job.write(t="return {}").job(kafka_source(kafka, table.topic), Lua(sink))
        job.start(DB_PASSWORD=SECRET)
        kafka.produce([table.insert({"id": 1}), Record(table.topic, b"k", b"{")])
        job.wait_for(lambda: "dead letter" in job.log(), "a dead letter")
        mariadb.execute(f"ALTER USER '{user}'@'127.0.0.1' IDENTIFIED BY 'another'")
        proxy.drop()
        kafka.produce([table.insert({"id": 2})])
        job.wait_for(lambda: "error 1045" in job.log(), "the refusal")
        job.wait_for(lambda: "1045" in job.http("/readyz")[1], "/readyz")
        job.file("job.lua", (job.folder / "job.lua").read_text().replace("sl.job {", 'sl.job { on_ddl = "what",'))
        job.reload()
        job.wait_for(lambda: job.http_json("/status")["reloads"]["rejected"] == 1, "the refused reload")
        dead = mariadb.execute("SELECT * FROM streamlua_dead_letters", database=database)
        assert secrets_of(job, repr(dead)) == []
        job.kill()
    finally:
        mariadb.execute(f"DROP USER '{user}'@'127.0.0.1'")


# ---- names and values ----

EVIL = ["orders`; DROP TABLE precious; -- ", "x'; DROP TABLE precious; --", "../../precious", "precious\x00", "`", "a.b.c", "ünï`cödé", "--", "/* */", "\\", "%s%n"]


def test_what_messages_call_their_tables_and_columns_never_becomes_sql(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(80)); CREATE TABLE precious (id INT PRIMARY KEY); INSERT INTO precious VALUES (1)",
                    database=database)
    name = topic()
    odd = [{name: 1 for name in EVIL}, *({"id": 1, evil: 1} for evil in EVIL)]
    records = [Table(evil, topic=name).insert({"id": 1}) for evil in EVIL] + [Table("orders", topic=name).insert({"id": 5, **row}) for row in odd]
    records += [Table("orders", topic=name).insert({"id": 100 + i, "note": evil.replace("\x00", "0")}) for i, evil in enumerate(EVIL)]
    # And where scripts make names of what a message says.
    records += [Table("made", topic=name).insert({"id": 1, "table": evil, "column": evil}) for evil in EVIL]
    kafka.produce(records)
    job.write(orders="return {}", made="""
local M = { target = "orders" }
function M.map(row, ctx)
  ctx:emit(row.table, { id = 1 })
  return { id = 1, [row.column] = 1 }
end
return M""", DEFAULT_TABLE_KEY='return { target = "orders" }')
    job.job(kafka_source(kafka, name), tidb_sink(mariadb, database))
    result = job.run("--until", "latest").ok()
    assert mariadb.table("precious", database) == [{"id": "1"}]
    tables = {next(iter(row.values())) for row in mariadb.execute("SHOW TABLES", database=database)}
    assert tables >= {"orders", "precious"} and all(t in ("orders", "precious") or t.startswith("streamlua_") for t in tables)
    notes = {row["id"]: row["note"] for row in mariadb.execute("SELECT * FROM orders WHERE id >= 100", database=database)}
    assert notes == {100 + i: evil.replace("\x00", "0") for i, evil in enumerate(EVIL)}
    assert result.counts()["dead_letters"] >= len(EVIL)


# ---- the HTTP port ----

def listening(port):
    """The addresses on which somebody listens at this port."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]:
        words = line.split()
        address, _, number = words[1].partition(":")
        if words[3] == "0A" and int(number, 16) == port:
            found.append(address)
    return found


def test_the_http_port_is_on_loopback_reads_only_and_survives_rudeness(kafka, topic, job):
    sqlite(job.folder / "out.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    table = Table("t", topic=topic())
    job.write(t="return {}").job(kafka_source(kafka, table.topic), sqlite_sink("out.db")).start()
    assert listening(job.port) == ["0100007F"]

    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
        for path in ("/", "/status", "/reload", "/stop"):
            assert raw(job.port, f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")[0] in (0, 400, 405, 501), method
    for path in ("/../../../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/job.lua", "//etc/passwd", "/scripts/t.lua", "/job.lua", "/status/../../x", "/%00", "/\\..\\x",
                 "/uplot/../page.js", "/uplot", "/index.html", "/page.js/", "/page.js%00", "/./page.js"):
        code, text = raw(job.port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert code in (400, 404) and "root:" not in text and "return" not in text, (path, code)
    for garbage in (b"\0" * 5000, os.urandom(5000), b"GET " + b"a" * 100000, b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000,
                    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", b"\x16\x03\x01\x02\x00"):
        raw(job.port, garbage)

    # Many that are slow: the stream goes on meanwhile, and so does the port once they are gone.
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", job.port), timeout=10))
            slow.sendall(b"GET /status HT")
        kafka.produce([table.insert({"id": i}) for i in range(100)])
        job.wait_for(lambda: len(sqlite(job.folder / "out.db", "SELECT id FROM t")) == 100, "all rows")
    job.wait_for(job.ready, "/readyz")
    assert job.stop().code == 0


def raw(port, request):
    """(status or 0, all that was answered)"""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection, contextlib.suppress(OSError):
        connection.sendall(request if isinstance(request, bytes) else request.encode())
        answer = connection.recv(65536).decode(errors="replace")
        status = re.match(r"HTTP/1\.[01] (\d+)", answer)
        return int(status[1]) if status else 0, answer
    return 0, ""
