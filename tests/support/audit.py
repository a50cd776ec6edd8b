"""Counts what is written to a table, by triggers, inside the transaction that writes it: what an idempotent upsert hides, a second
time for one row, stands there as a second line."""

import collections

# An upsert that meets its row fires BEFORE INSERT too, and AFTER UPDATE.
EVENTS = {"put": ("BEFORE INSERT", "NEW"), "update": ("AFTER UPDATE", "NEW"), "delete": ("AFTER DELETE", "OLD")}


class Audit:
    """Every write of a table from now on. `key` is the column that names the rows."""

    def __init__(self, mariadb, database, table, key="id"):
        self._mariadb, self._database, self._log = mariadb, database, f"{table}_audit"
        mariadb.execute(f"CREATE TABLE `{self._log}` (n BIGINT AUTO_INCREMENT PRIMARY KEY, op CHAR(6), `key` VARCHAR(200))", database=database)
        for op, (when, side) in EVENTS.items():
            mariadb.execute(f"CREATE TRIGGER `{table}_{op}` {when} ON `{table}` FOR EACH ROW "
                            f"INSERT INTO `{self._log}` (op, `key`) VALUES ('{op}', {side}.`{key}`)", database=database)

    def writes(self):
        """{(op, key): how often}"""
        return collections.Counter((row["op"], row["key"]) for row in self._mariadb.table(self._log, self._database))

    def expect_each_once(self, keys):
        """Each of these rows was put once, and nothing else ever happened to the table."""
        expected = {("put", str(key)) for key in keys}
        actual = self.writes()
        wrong = {what: times for what, times in actual.items() if times != 1 or what not in expected}
        missing = sorted(expected - actual.keys())
        assert not wrong and not missing, f"{len(wrong)} wrong, such as {sorted(wrong.items())[:8]}; {len(missing)} missing, such as {missing[:8]}"
