"""PURE. What the benchmark makes of its samples."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.images import write_layout
from tests.bench.measure import BenchError, Result, Row, as_json, rotated, run_row, table
from tests.bench.pod import FOLLOWED, OF_THE_MONITOR, records

RESULT = Result(name="start", unit="s", samples={"pod": (0.1, 0.3, 0.2), "podman": (0.4,)}, failures={})


def failing() -> float:
    """Measure nothing."""
    raise BenchError("no such program")


def test_a_ratio_is_ours_by_theirs_of_the_medians() -> None:
    assert RESULT.ratio("podman") == 0.5


def test_every_round_begins_with_another_contestant() -> None:
    assert [rotated(["a", "b", "c"], number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_the_first_round_is_forgotten() -> None:
    values = iter([100.0, 1.0, 2.0])
    row = Row(name="r", unit="s", rounds=2, contestants={"pod": lambda: next(values)})
    assert run_row(row, lambda _: None).samples == {"pod": (1.0, 2.0)}


def test_a_contestant_that_fails_drops_out_with_its_reason() -> None:
    row = Row(name="r", unit="s", rounds=1, contestants={"pod": lambda: 1.0, "podman": failing})
    result = run_row(row, lambda _: None)
    assert result.samples == {"pod": (1.0,)}
    assert "r: podman: no such program" in table([result])


def test_the_table_has_figures_under_their_names() -> None:
    head, line = table([RESULT]).splitlines()[:2]
    assert line.split() == ["start", "200", "ms", "400", "ms", "0.50"]
    assert len(line) == len(head)


def test_the_json_has_every_sample() -> None:
    (row,) = json.loads(as_json([RESULT], {"kernel": "x"}))["rows"]
    assert row["samples"] == {"pod": [0.1, 0.3, 0.2], "podman": [0.4]}


def test_records_of_a_launch_file_are_read_word_by_word(tmp_path: Path) -> None:
    (tmp_path / "launch").write_bytes(b"version\0001\0\0exec\0a b\0c\0\0")
    assert list(records(tmp_path / "launch")) == [["version", "1"], ["exec", "a b", "c"]]


def test_a_written_image_is_an_oci_layout(tmp_path: Path) -> None:
    write_layout(tmp_path, 3)
    (entry,) = json.loads((tmp_path / "index.json").read_text())["manifests"]
    blob = tmp_path / "blobs" / "sha256" / entry["digest"].removeprefix("sha256:")
    assert blob.stat().st_size == entry["size"]
    assert json.loads(blob.read_text())["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar"


def test_raw_nspawn_knows_every_record_of_a_plain_pod() -> None:
    golden = Path(__file__).parents[1] / "golden/one-app/expected/launch.json"
    verbs = {json.loads(line)[0] for line in golden.read_text().splitlines()}
    assert verbs <= FOLLOWED | OF_THE_MONITOR
