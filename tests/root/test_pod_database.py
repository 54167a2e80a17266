"""PostgreSQL of Debian's packages: a server that is not root, keeps its data in a volume and stops when asked to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.root.pods import Pods, eventually, import_images

pytestmark = pytest.mark.root
PSQL = 'exec /usr/lib/postgresql/*/bin/psql -h /run/postgresql -At -c "$0"'
IS_READY = "exec /usr/lib/postgresql/*/bin/pg_isready -q -h /run/postgresql"


@pytest.fixture(scope="module")
def database(session_pods: Pods) -> Iterator[str]:
    import_images(session_pods, "database")
    yield "database"
    session_pods("image", "rm", "database")


def ask(pods: Pods, uuid: str, question: str) -> str:
    """As soon as it answers: it listens before it has started."""
    eventually(lambda: pods("exec", uuid, "sh", "-c", IS_READY, status=None).status == 0, "the database")
    return pods("exec", uuid, "sh", "-c", PSQL, question).out


def test_rows_outlive_the_pod_that_wrote_them(pods: Pods, database: str) -> None:
    options = (database, "--volume", "rows:/var/lib/postgresql", "--ready", "tcp:5432")
    first = pods.start(*options)
    ask(pods, first.uuid, "create table words(word text); insert into words values ('kept')")
    pods("stop", first.uuid)
    first.done(status=None)
    assert "database system is shut down" in pods("logs", first.uuid).err
    pods("rm", first.uuid)
    second = pods.start(*options)
    assert ask(pods, second.uuid, "select word from words") == "kept\n"
    assert ask(pods, second.uuid, "select current_user") == "postgres\n"
    pods("stop", second.uuid)
    second.done(status=None)
    pods("rm", second.uuid)
    pods("volume", "rm", "rows")
