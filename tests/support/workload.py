"""Changes of a table at random, from a seed: every change is legal, as one after the other of a real server."""

import random


class Workload:
    """Makes `table`'s changes. `row(id, random)` makes a whole row with this id; ids of one partition stay there, so that all of a
    row's messages are in one, whatever key it takes."""

    def __init__(self, table, row, partitions=1, seed=1, weights=None):
        self.table, self.row, self.partitions = table, row, partitions
        self.random = random.Random(seed)
        self.live = [{} for _ in range(partitions)]  # partition -> id -> row
        self.used = [0] * partitions  # ids are partition + partitions * n
        self.weights = weights or {"insert": 4, "read": 1, "update": 6, "delete": 2, "change_key": 1, "replace": 1}

    def changes(self, count):
        """The messages of so many changes."""
        ops, weights = zip(*self.weights.items())
        messages = []
        for op in self.random.choices(ops, weights, k=count):
            partition = self.random.randrange(self.partitions)
            live = self.live[partition]
            if not live and op not in ("insert", "read"):
                op = "insert"
            messages += getattr(self, f"_{op}")(partition, live)
        for message in messages:
            if message.partition is None:
                raise AssertionError("every message has its partition")
        return messages

    def _new_id(self, partition):
        # Sometimes one that was given up before: a row that comes back.
        if self.used[partition] and self.random.random() < 0.3:
            again = partition + self.partitions * self.random.randrange(self.used[partition])
            if again not in self.live[partition]:
                return again
        self.used[partition] += 1
        return partition + self.partitions * (self.used[partition] - 1)

    def _any(self, live):
        return live[self.random.choice(list(live))]

    def _insert(self, partition, live, how="insert"):
        row = self.row(self._new_id(partition), self.random)
        live[row["id"]] = row
        return [getattr(self.table, how)(row, partition=partition)]

    def _read(self, partition, live):
        return self._insert(partition, live, "read")

    def _update(self, partition, live):
        old = self._any(live)
        new = live[old["id"]] = self.row(old["id"], self.random)
        return [self.table.update(old, new, partition=partition)]

    def _delete(self, partition, live):
        return self.table.delete_with_tombstone(live.pop(self._any(live)["id"]), partition=partition)

    def _move(self, partition, live):
        old = live.pop(self._any(live)["id"])
        new = self.row(self._new_id(partition), self.random)
        live[new["id"]] = new
        return old, new

    def _change_key(self, partition, live):
        return self.table.change_key(*self._move(partition, live), partition=partition)

    def _replace(self, partition, live):
        """A change of the key in one message, as a binlog has it."""
        old, new = self._move(partition, live)
        return [self.table.update(old, new, partition=partition)]
