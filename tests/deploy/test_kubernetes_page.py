"""docs/kubernetes.md agrees with deploy/kubernetes."""

from __future__ import annotations

import re

from tests.deploy.manifests import COMPONENTS, FILES, KUBERNETES, ROOT, loaded

from nodelog import __version__

PAGE = (ROOT / "docs" / "kubernetes.md").read_text()


def test_the_page_names_every_manifest_and_no_other() -> None:
    assert set(re.findall(r"\blog[DC]\w+\.yaml", PAGE)) == {path.name for path in FILES}


def test_the_page_names_every_component_and_no_other() -> None:
    table = PAGE.partition("## Components")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == COMPONENTS
    assert set(re.findall(r"components/([a-z-]+)", PAGE)) <= set(COMPONENTS)


def test_the_output_of_apply_on_the_page_is_right() -> None:
    for name, kind, object_name in re.findall(r"apply -f (\w+\.yaml)\n(\w+)\.apps/(\w+)", PAGE):
        found = loaded(KUBERNETES / name)
        assert (found["kind"].lower(), found["metadata"]["name"]) == (kind, object_name)


def test_the_containers_whose_image_is_set_on_the_page_exist() -> None:
    for kind, object_name, assignments in re.findall(r"set image (\w+)/(\w+) ([\w=:. -]+?)[`\n]", PAGE):
        spec = next(
            found["spec"]["template"]["spec"]
            for found in map(loaded, FILES)
            if found["metadata"]["name"] == object_name
        )
        names = {container["name"] for container in [*spec.get("initContainers", []), *spec["containers"]]}
        assert kind == "ds"
        assert {assignment.partition("=")[0] for assignment in assignments.split()} <= names


def test_the_page_builds_the_image_of_the_manifests() -> None:
    assert f"docker build -t nodelog:{__version__} ." in PAGE
