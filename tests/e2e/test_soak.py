"""One minute of tests/soak; `make soak MINUTES=n` is the whole of it."""

import pytest

from soak.soak import Soak


@pytest.mark.first
def test_a_minute_of_everything_that_breaks_at_random(kafka, mariadb, tmp_path):
    soak = Soak(kafka, mariadb, tmp_path, seed=1)
    try:
        soak.run(60)
        print(soak.report())
    finally:
        soak.close()
        kafka.ensure()
        mariadb.ensure()
        mariadb.drop_database(soak.database)
        kafka.delete_topic(soak.topic)
