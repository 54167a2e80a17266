"""EFFECT. Jinja2's door: only escaped values pass, and what was rendered before needs no Jinja2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from stage1 import plan
from stage1.contract import HostError, codec
from stage1.quoting import Escaped
from stage1.render import Job, render
from stage1.resources import template_path
from tests.samples import FACTS, app, pod

TOP = Path(__file__).parents[2]


class Context(NamedTuple):
    """What the templates of these tests take."""

    text: object = Escaped("fine")


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    directory = tmp_path / "templates"
    directory.mkdir()
    (directory / "one.j2").write_text("Key={{ it.text }}\n")
    return directory


ONE = Job("one.j2", "one", "it", Context())


def test_a_template_takes_an_escaped_value_and_a_number(templates: Path) -> None:
    assert render([ONE], [templates], None) == {"one": "Key=fine\n"}
    assert render([ONE._replace(value=Context(5))], [templates], None) == {"one": "Key=5\n"}


@pytest.mark.parametrize("value", ["plain", "", True, None, 1.5, ["x"], b"x"])
def test_a_value_that_was_not_escaped_is_refused(value: object, templates: Path) -> None:
    with pytest.raises(HostError, match=r"one\.j2 does not render: .*not escaped"):
        render([ONE._replace(value=Context(value))], [templates], None)


@pytest.mark.parametrize(
    "wrong",
    [
        "{{ it.nothing }}",
        "{{ nobody }}",
        "{% if %}",
        "{{ it.text",
        "{% include 'gone.j2' %}",
        "{{ 1 / 0 }}",
        "{{ it.text[9] }}",
        "{{ it.text() }}",
    ],
)
def test_a_template_that_is_wrong_is_an_error_for_people(wrong: str, templates: Path) -> None:
    (templates / "one.j2").write_text(wrong)
    with pytest.raises(HostError, match="does not render") as caught:
        render([ONE], [templates], None)
    assert caught.value.hint


def test_a_filter_gives_a_plain_string_and_is_refused(templates: Path) -> None:
    (templates / "one.j2").write_text("Key={{ it.text | upper }}\n")
    with pytest.raises(HostError, match="not escaped"):
        render([ONE], [templates], None)


def test_a_template_that_is_nowhere_is_an_error_for_people(templates: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"two\.j2"):
        render([Job("two.j2", "two")], [templates], tmp_path / "cache")
    with pytest.raises(HostError, match=r"two\.j2"):
        render([Job("two.j2", "two")], [templates], None)


def test_conditional_blocks_leave_no_gaps_and_only_newlines_end_lines(templates: Path) -> None:
    (templates / "one.j2").write_text("[A]\n\n\n\nX={{ it.text }}\n{% if false %}\nY=1\n{% endif %}\n\n\n")
    value = Context(Escaped("a\u2028b\x85c"))
    assert render([ONE._replace(value=value)], [templates], None) == {"one": "[A]\n\nX=a\u2028b\x85c\n"}


# Precedence


def test_the_first_directory_with_a_template_wins(templates: Path, tmp_path: Path) -> None:
    admin = tmp_path / "etc"
    admin.mkdir()
    assert render([ONE], [admin, templates], tmp_path / "cache") == {"one": "Key=fine\n"}
    (admin / "one.j2").write_text("Admin={{ it.text }}\n")
    assert render([ONE], [admin, templates], tmp_path / "cache") == {"one": "Admin=fine\n"}
    (admin / "one.j2").unlink()
    assert render([ONE], [admin, templates], tmp_path / "cache") == {"one": "Key=fine\n"}


def test_the_administrator_comes_before_us() -> None:
    etc, ours = template_path()
    assert etc == Path("/etc/pod/unit-templates")
    assert (ours / "pod/app.service.j2").is_file()


# The cache


def test_what_was_rendered_before_comes_from_the_cache(templates: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = render([ONE], [templates], cache)
    (entry,) = cache.iterdir()
    stored = json.loads(entry.read_text())
    stored["texts"]["one"] = "from the cache\n"
    entry.write_text(json.dumps(stored))
    assert render([ONE], [templates], cache) == {"one": "from the cache\n"}
    assert first == {"one": "Key=fine\n"}


def test_another_value_or_a_changed_template_is_rendered_anew(templates: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    render([ONE], [templates], cache)
    assert render([ONE._replace(value=Context(Escaped("new")))], [templates], cache) == {"one": "Key=new\n"}
    (templates / "one.j2").write_text("Other={{ it.text }}\n")
    assert render([ONE], [templates], cache) == {"one": "Other=fine\n"}


def test_a_template_changed_within_the_same_size_is_noticed_by_its_time(
    templates: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    render([ONE], [templates], cache)
    (templates / "one.j2").write_text("Kez={{ it.text }}\n")
    os.utime(templates / "one.j2", ns=(1, 1))
    assert render([ONE], [templates], cache) == {"one": "Kez=fine\n"}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"texts": 1}', b"\xff", b"null"])
def test_a_damaged_entry_is_made_again(damage: bytes, templates: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    render([ONE], [templates], cache)
    (entry,) = cache.iterdir()
    entry.write_bytes(damage)
    assert render([ONE], [templates], cache) == {"one": "Key=fine\n"}
    assert json.loads(entry.read_bytes())["texts"] == {"one": "Key=fine\n"}


def test_an_entry_of_another_key_under_the_same_name_is_not_taken(templates: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    render([ONE], [templates], cache)
    (entry,) = cache.iterdir()
    entry.write_text(json.dumps({"key": "another", "texts": {"one": "wrong"}}))
    assert render([ONE], [templates], cache) == {"one": "Key=fine\n"}


SECOND_RUN = """
import json
import sys
from pathlib import Path
from stage1 import plan
from stage1.contract import codec
from stage1.render import render
from stage1.resources import template_path
from stage1.host import HostFacts
facts = HostFacts(nspawn="/n", systemd=252, booted=False, machined=False, cgroups=())
pod = codec.decode(Path(sys.argv[1]).read_bytes(), where="x")
texts = render(plan.jobs(pod, facts, keep_unit=False), template_path()[-1:], Path(sys.argv[2]))
json.dump([texts, sorted(name for name in sys.modules if name.startswith("jinja2"))], sys.stdout)
"""


def run_again(manifest: Path, cache: Path) -> tuple[dict[str, str], list[str]]:
    """The texts of a pod and the modules of Jinja2 that rendering it in a new process imported."""
    done = subprocess.run(
        [sys.executable, "-c", SECOND_RUN, str(manifest), str(cache)],
        cwd=TOP,
        capture_output=True,
        check=True,
    )
    texts, modules = json.loads(done.stdout)
    return texts, modules


def test_a_pod_that_was_rendered_before_never_imports_jinja2_and_comes_out_the_same(tmp_path: Path) -> None:
    manifest, cache = tmp_path / "pod.json", tmp_path / "cache"
    manifest.write_bytes(codec.encode(pod(app("a"), app("b", argv=("/bin/é", "%n")))))
    first, imported = run_again(manifest, cache)
    assert "jinja2" in imported
    again, imported = run_again(manifest, cache)
    assert imported == []
    assert again == first


def test_two_pods_of_the_same_apps_share_an_entry(tmp_path: Path) -> None:
    """What differs from pod to pod is filled in afterwards, so the second `pod run` of an image is fast."""
    for uuid, name in (("1" * 8, "one"), ("2" * 8, None)):
        jobs = plan.jobs(pod(uuid=uuid, name=name, hostname=f"h{uuid}"), FACTS, keep_unit=False)
        render(jobs, template_path()[-1:], tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
