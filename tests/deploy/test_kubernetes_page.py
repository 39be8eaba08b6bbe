"""docs/kubernetes.md names what is in deploy/kubernetes."""

from __future__ import annotations

import re

from tests.deploy.manifests import COMPONENTS, FILES, KUBERNETES, ROOT, loaded

from nodelog import __version__

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()


def test_it_has_every_manifest_and_no_other() -> None:
    assert set(re.findall(r"\blog[DC]\w+\.yaml", PAGE)) == {path.name for path in FILES}


def test_it_has_every_component_and_no_other() -> None:
    table = PAGE.partition("## Components")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == COMPONENTS
    assert set(re.findall(r"components/([a-z-]+)", PAGE)) <= set(COMPONENTS)


def test_what_apply_is_said_to_print_is_what_it_prints() -> None:
    for name, kind, made in re.findall(r"apply -f (\w+\.yaml)\n(\w+)\.apps/(\w+)", PAGE):
        found = loaded(KUBERNETES / name)
        assert (found["kind"].lower(), found["metadata"]["name"]) == (kind, made)


def test_a_container_whose_image_is_set_is_one() -> None:
    for kind, made, assignments in re.findall(r"set image (\w+)/(\w+) ([\w=:. -]+?)[`\n]", PAGE):
        spec = next(
            found["spec"]["template"]["spec"]
            for found in map(loaded, FILES)
            if found["metadata"]["name"] == made
        )
        names = {container["name"] for container in [*spec.get("initContainers", []), *spec["containers"]]}
        assert kind == "ds"
        assert {assignment.partition("=")[0] for assignment in assignments.split()} <= names


def test_it_builds_the_image_that_the_manifests_name() -> None:
    assert f"docker build -t nodelog:{__version__} ." in PAGE
