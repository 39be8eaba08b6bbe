"""Three nodes for the tests of a file: the fixture `cluster`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.deploy.kubelet import alpine
from tests.deploy.kubelet.cluster import Cluster

from nodelog import __version__

if TYPE_CHECKING:
    from collections.abc import Generator

NEXT = "0.1.1"
"""The version after this one: the same program, by another name."""


@pytest.fixture(scope="session")
def alpine_image(engine: None) -> str:  # noqa: ARG001 (it skips)
    """Make the small image, once for all tests."""
    return alpine.make()


@pytest.fixture(scope="module")
def cluster(image: str, alpine_image: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    """Boot three nodes that have our image, and alpine."""
    if os.geteuid() != 0:
        pytest.skip("makes directories of root's, as a kubelet does")
    images = {f"nodelog:{__version__}": image, f"nodelog:{NEXT}": image, "alpine": alpine_image}
    with Cluster(tmp_path_factory.mktemp("cluster"), images, alpine_image) as found:
        yield found
