"""EFFECT. The manifests of docs/examples are what they say: each is read, fits the schema, and leads to a pod."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stage0 import schema
from stage0.cli import verb_parser
from stage0.plan import plan_pod
from stage0.request import AppRequest, PodRequest
from stage0.request.arguments import request_of
from stage1 import plan
from stage1.contract import codec
from tests.samples import FACTS, NOW, image

EXAMPLES = sorted((schema.DOCS / "examples").iterdir())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_is_a_pod_with_units(file: Path) -> None:
    request = request_of(verb_parser("run").parse_args(["-f", str(file)]), {})
    assert request.version == 1
    asked = request._replace(userns="host")  # a range of its own is taken when the pod is made
    pod = plan_pod(asked, [image(f"{app.image}:latest") for app in request.app], NOW)
    assert codec.decode(codec.encode(pod), where=file.name) == pod
    assert plan.jobs(pod, FACTS, keep_unit=False)


def test_the_page_leads_to_every_example() -> None:
    page = (schema.DOCS / "manifest.md").read_text()
    assert [file.name for file in EXAMPLES if f"(examples/{file.name})" not in page] == []


def test_the_block_of_the_page_is_the_example_it_names() -> None:
    page = (schema.DOCS / "manifest.md").read_text()
    block = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    example = (schema.DOCS / "examples" / "shop.toml").read_text().splitlines()
    assert block
    assert [line for line in block[1].splitlines() if line not in example] == []


def test_the_examples_of_the_schema_are_of_the_schema() -> None:
    found = json.loads(schema.text())
    for part, kind in ((found, PodRequest), (found["$defs"]["AppRequest"], AppRequest)):
        for key, value in part["properties"].items():
            for example in value.get("examples", []):
                wanted = {"app": [{"image": "x"}]} if kind is PodRequest else {"image": "x"}
                codec.validate(kind, wanted | {key: example}, where=key, hint="")
