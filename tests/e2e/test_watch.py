"""`--watch --diff`: what a save changes in the rows of the last hundred messages."""

import re

from support.debezium import Table
from support.job import kafka_source, tidb_sink

SCRIPT = 'return { columns = { id = "id", sku = function(row) return row.sku%s end }, filter = function(row, ctx) return row.id %% %d ~= 0 end }'


def test_a_save_shows_what_it_changes_in_the_rows_of_the_last_messages(kafka, mariadb, topic, database, job):
    mariadb.execute("CREATE TABLE orders (id INT PRIMARY KEY, sku VARCHAR(20))", database=database)
    orders = Table("orders", topic=topic())
    kafka.produce([orders.insert({"id": i, "sku": f"s{i}"}) for i in range(1, 151)])
    job.write(orders=SCRIPT % ("", 50)).job(kafka_source(kafka, orders.topic), tidb_sink(mariadb, database)).start("--watch", "--diff")
    job.wait_for(lambda: mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 147, "all rows")
    assert "differ" not in job.log()

    def saved(script, said):
        before = len(job.log())
        job.write(orders=script)
        job.wait_for(lambda: re.search(said, job.log()[before:]), "the difference")
        return job.log()[before:]

    shown = saved(SCRIPT % (":upper()", 50), r"of the last 100 messages 98 rows differ, 0 are the same")
    assert re.search(r'^~ orders id = 51: sku "s51" -> "S51"$', shown, re.M) and shown.count("\n~ orders id") == 20 and "... and 78 more" in shown
    assert "id = 50:" not in shown  # of the first fifty messages none is looked at
    shown = saved(SCRIPT % (":upper()", 40), r"of the last 100 messages 4 rows differ, 96 are the same")
    rows = [line for line in shown.splitlines() if line[:2] in ("+ ", "- ", "~ ")]
    assert rows == ['+ orders id = 100: id = 100, sku = "S100"', '+ orders id = 150: id = 150, sku = "S150"', '- orders id = 80: id = 80, sku = "S80"',
                    '- orders id = 120: id = 120, sku = "S120"'], shown
    shown = saved("return { map = function(row) if row.id == 77 then error 'no' end return { id = row.id, sku = row.sku:upper() } end }", r"of the last")
    assert re.search(r'^\+ dead letter of \S+:\d:\d+: error = scripts/orders.lua:1: no', shown, re.M) and "- orders id = 77" in shown
    saved("-- a comment\nreturn { map = function(row) if row.id == 77 then error 'no' end return { id = row.id, sku = row.sku:upper() } end }",
          r"of the last 100 messages 1 row differs, 99 are the same")
    assert mariadb.value("SELECT COUNT(*) FROM orders", database=database) == 147  # nothing of that is written
    assert job.stop().code == 0
