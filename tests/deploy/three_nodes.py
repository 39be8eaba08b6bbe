"""A cluster of three nodes for the tests of a file: the fixture `cluster`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.deploy.kubelet import alpine
from tests.deploy.kubelet.cluster import Cluster

from nodelog import __version__

if TYPE_CHECKING:
    from collections.abc import Generator

NEXT_VERSION = "0.1.1"
"""Another tag of the same image."""


@pytest.fixture(scope="session")
def alpine_image(engine: None) -> str:  # noqa: ARG001 (it skips)
    """Build the small image once for all tests."""
    return alpine.build_image()


@pytest.fixture(scope="module")
def cluster(image: str, alpine_image: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    """Start three nodes that have our image, and alpine."""
    if os.geteuid() != 0:
        pytest.skip("creates directories owned by root, as a kubelet does")
    images = {f"nodelog:{__version__}": image, f"nodelog:{NEXT_VERSION}": image, "alpine": alpine_image}
    with Cluster(tmp_path_factory.mktemp("cluster"), images, alpine_image) as cluster:
        yield cluster
