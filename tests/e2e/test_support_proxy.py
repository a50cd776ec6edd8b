"""The harness itself, without streamlua: the proxy does to statements what its methods say, in front of a real server."""

import ctypes
import subprocess
import threading
import time
from pathlib import Path

import pymysql
import pytest

from support import wait_for

BIG = 20 * 1024 * 1024  # more than one packet of the protocol can hold


@pytest.fixture
def table(mariadb, database):
    mariadb.execute("CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT)", database=database)

    def ids():
        return [row["id"] for row in mariadb.query("SELECT id FROM t ORDER BY id", database=database)]
    return ids


@pytest.fixture
def client(mariadb, database, proxy):
    """Connects through the proxy, with transactions."""
    made = []

    def connect(**options):
        several = pymysql.constants.CLIENT.MULTI_STATEMENTS
        made.append(mariadb.connect(database, proxy.port, **{"autocommit": False, "client_flag": several, **options}))
        return made[-1]

    yield connect
    for each in made:
        if each.open:
            each._force_close()


def insert(connection, number):
    connection.cursor().execute("INSERT INTO t VALUES (%s, 'x')", [number])


def lost(connection, statement="COMMIT"):
    """The statement's connection ends, which is neither success nor an error that the server gave."""
    with pytest.raises(pymysql.err.OperationalError) as failure:
        connection.cursor().execute(statement)
    assert failure.value.args[0] in (2006, 2013), failure.value
    return True


def in_background(function, *args):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)), daemon=True)
    thread.start()
    return thread, results


def test_everything_passes_unchanged(client, table, proxy):
    connection = client()
    cursor = connection.cursor()
    cursor.execute("INSERT INTO t VALUES (1, 'a'), (2, NULL); SELECT id, v FROM t ORDER BY id; SELECT 7; COMMIT")
    assert cursor.rowcount == 2 and cursor.nextset() and cursor.fetchall() == ((1, "a"), (2, None))
    assert cursor.nextset() and cursor.fetchall() == ((7,),) and cursor.nextset() and not cursor.nextset()
    with pytest.raises(pymysql.err.ProgrammingError, match="syntax"):
        cursor.execute("SELEKT")
    # An error in the second of several statements ends the answer.
    cursor.execute("SELECT 1; SELEKT")
    with pytest.raises(pymysql.err.ProgrammingError):
        cursor.nextset()
    cursor.execute("INSERT INTO t VALUES (3, %s)", ["é" * (BIG // 2)])
    cursor.execute("SELECT v FROM t WHERE id = 3")
    assert cursor.fetchone() == ("é" * (BIG // 2),)
    connection.ping(reconnect=False)
    connection.select_db("mysql")
    assert proxy.statements[-1].startswith("SELECT v")


def test_another_client_passes_too(database, table, proxy):
    rule = proxy.error(1213, "40001", "Deadlock", "INSERT INTO t")
    done = subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", f"--port={proxy.port}", "--user=root",
                           database, "-e", "INSERT INTO t VALUES (6, NULL)"], capture_output=True, text=True)
    assert "ERROR 1213 (40001)" in done.stderr and table() == []
    wait_for(lambda: rule.hits == 1, "the proxy to have counted it")


def test_prepared_statements_pass_and_match_by_what_they_were_prepared_from(database, table, proxy):
    library = ctypes.CDLL("libmariadb.so.3")
    library.mysql_init.restype = library.mysql_stmt_init.restype = ctypes.c_void_p
    mysql = ctypes.c_void_p(library.mysql_init(None))

    def statement(text):
        made = ctypes.c_void_p(library.mysql_stmt_init(mysql))
        assert library.mysql_stmt_prepare(made, text, ctypes.c_ulong(len(text))) == 0
        return made

    try:
        library.mysql_real_connect(mysql, b"127.0.0.1", b"root", b"", database.encode(), proxy.port, None, ctypes.c_ulong(0))
        other, insert_one, select = statement(b"DO 1"), statement(b"INSERT INTO t VALUES (1, '')"), statement(b"SELECT id, v FROM t WHERE id < 9")
        rule = proxy.error(1213, "40001", "Deadlock", "INSERT", nth=2)
        assert library.mysql_stmt_execute(other) == library.mysql_stmt_execute(insert_one) == 0
        assert library.mysql_stmt_execute(insert_one) and library.mysql_stmt_errno(insert_one) == 1213
        assert library.mysql_stmt_execute(select) == library.mysql_stmt_store_result(select) == 0
        assert library.mysql_stmt_num_rows(select) == 1 and rule.hits == 1 and table() == [1]
        # An unanswered command does not shift the answers after it.
        library.mysql_stmt_close(other)
        assert library.mysql_stmt_execute(insert_one) and library.mysql_stmt_errno(insert_one) == 1062
        assert library.mysql_ping(mysql) == 0
    finally:
        library.mysql_close(mysql)


def test_a_loaded_file_passes(client, table, tmp_path):
    (tmp_path / "rows.tsv").write_text("".join(f"{i}\tx\n" for i in range(5000)))
    connection = client(local_infile=True)
    connection.cursor().execute(f"LOAD DATA LOCAL INFILE '{tmp_path}/rows.tsv' INTO TABLE t")
    connection.commit()
    assert len(table()) == 5000


def test_cut_before_the_server_saw_it(client, table, proxy):
    rule = proxy.cut_before("COMMIT")
    connection = client()
    insert(connection, 1)
    assert lost(connection) and rule.wait().hits == 1 and table() == []


def test_cut_after_the_server_answered(client, table, proxy):
    rule = proxy.cut_after("COMMIT")
    connection = client()
    insert(connection, 1)
    assert lost(connection) and rule.wait().hits == 1 and table() == [1]


def test_cut_within_the_request_does_nothing_on_the_server(client, table, proxy):
    proxy.cut_request("INSERT")
    assert lost(client(), "INSERT INTO t VALUES (1, ''); COMMIT") and table() == []


def test_cut_within_the_answer(client, table, proxy):
    proxy.cut_answer("INSERT", after_bytes=5)
    assert lost(client(), "INSERT INTO t VALUES (1, ''); COMMIT") and table() == [1]


def test_a_lingering_transaction_holds_its_locks_until_the_server_learns_of_the_end(client, mariadb, database, table, proxy):
    rule = proxy.cut_after("INSERT", linger=True)
    assert lost(client(), "INSERT INTO t VALUES (1, '')") and rule.happened
    other = mariadb.connect(database)
    other.cursor().execute("SET innodb_lock_wait_timeout = 1")
    with pytest.raises(pymysql.err.OperationalError, match="Lock wait"):
        other.cursor().execute("INSERT INTO t VALUES (1, 'other')")
    proxy.drop_lingering()
    other.cursor().execute("SET innodb_lock_wait_timeout = 30")
    other.cursor().execute("INSERT INTO t VALUES (1, 'other')")


def test_cut_during_goes_on_at_the_server(client, table, proxy):
    proxy.cut_during("INSERT", linger=True)
    assert lost(client(), "DO SLEEP(0.2); INSERT INTO t VALUES (1, ''); COMMIT")
    wait_for(lambda: table() == [1], "the statement's end on the server")


@pytest.mark.parametrize("code, state, text, kind", [
    (1213, "40001", "Deadlock found", pymysql.err.OperationalError),
    (9007, "HY000", "Write conflict, txnStartTS=1", pymysql.err.OperationalError),
    (1062, "23000", "Duplicate entry '1' for key 'u'", pymysql.err.IntegrityError),
])
def test_an_error_takes_the_place_of_the_nth_match(client, table, proxy, code, state, text, kind):
    rule = proxy.error(code, state, text, "insert INTO", nth=2, times=2)
    connection = client()
    insert(connection, 1)
    for number in (2, 3):
        with pytest.raises(kind) as failure:
            insert(connection, number)
        assert failure.value.args == (code, text)
    insert(connection, 4)
    connection.commit()
    assert table() == [1, 4] and rule.hits == 2


def test_an_error_with_rollback_ends_the_transaction(client, table, proxy):
    proxy.error(1213, "40001", "Deadlock", "COMMIT", rollback=True)
    connection = client()
    insert(connection, 1)
    with pytest.raises(pymysql.err.OperationalError, match="Deadlock"):
        connection.commit()
    connection.commit()
    assert table() == []


def test_an_error_answers_a_statement_of_several_packets(client, table, proxy):
    proxy.error(1105, "HY000", "too large", "INSERT")
    connection = client()
    with pytest.raises(pymysql.err.OperationalError, match="too large"):
        connection.cursor().execute("INSERT INTO t VALUES (1, %s)", ["x" * BIG])
    connection.ping(reconnect=False)


def test_hold_before_and_after(client, table, proxy):
    before, after = proxy.hold("COMMIT"), proxy.hold("COMMIT", after=True)
    connection = client()
    insert(connection, 1)
    thread, _ = in_background(connection.commit)
    before.wait()
    assert table() == [] and not after.happened
    before.release()
    after.wait()
    assert table() == [1] and thread.is_alive()
    after.release()
    thread.join(30)
    assert not thread.is_alive()


def test_delay_and_latency_and_throttle_take_their_time(client, table, proxy):
    connection = client()

    def seconds(statement):
        begin = time.monotonic()
        connection.cursor().execute(statement)
        return time.monotonic() - begin

    proxy.delay(0.2, "SELECT 1")
    assert seconds("SELECT 1") >= 0.2
    proxy.clear()
    proxy.latency(0.2)
    assert seconds("SELECT 1") >= 0.2
    proxy.clear()
    proxy.throttle(100_000)
    assert seconds(f"SELECT LENGTH('{'x' * 20_000}')") >= 0.15


def test_frozen_nothing_passes_and_nothing_is_closed(client, table, proxy):
    connection = client()
    proxy.freeze()
    thread, _ = in_background(insert, connection, 1)
    thread.join(0.2)
    assert thread.is_alive() and table() == [] and proxy.open == 1
    proxy.thaw()
    thread.join(30)
    connection.commit()
    assert table() == [1]


def test_drop_and_refuse(client, table, proxy):
    connection = client()
    proxy.drop()
    assert lost(connection, "SELECT 1")
    proxy.refuse()
    with pytest.raises(pymysql.err.OperationalError):
        client()
    proxy.accept()
    client().ping(reconnect=False)
    assert proxy.accepted == 3


def test_the_server_s_end_is_passed_on_between_statements(client, mariadb, table, proxy):
    connection = client()
    mariadb.execute(f"KILL {connection.thread_id()}")
    wait_for(lambda: proxy.open == 0, "the end of the proxied connection")
    assert lost(connection, "SELECT 1")


def test_a_wrong_password_is_the_server_s_to_refuse(client, proxy):
    with pytest.raises(pymysql.err.OperationalError) as failure:
        client(user="streamlua", password="wrong")
    assert failure.value.args[0] == 1045


def test_from_the_command_line(mariadb, database, table):
    rule = "error 1213 40001 'Deadlock found' COMMIT"
    process = subprocess.Popen(["/usr/bin/python3", "-m", "support.mysql_proxy", mariadb.address, "--do", rule],
                               cwd=Path(__file__).resolve().parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline().rpartition(":")[2])
        assert process.stdout.readline() == "ok\n"
        connection = mariadb.connect(database, port, autocommit=False)
        insert(connection, 1)
        with pytest.raises(pymysql.err.OperationalError, match="Deadlock found"):
            connection.commit()
        process.stdin.write("cut_after COMMIT nth=1\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ok\n"
        assert lost(connection) and table() == [1]
        process.stdin.write("stats\n")
        process.stdin.flush()
        assert "accepted 1" in process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
