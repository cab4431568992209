"""One site for all stories that can share it: each takes adapters of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fleet.site import Site, opened

GROUPS = 48


@pytest.fixture(scope="session")
async def shared_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with opened(tmp_path_factory.mktemp("site"), GROUPS) as site:
        yield site


@pytest.fixture
async def site(shared_site: Site) -> AsyncIterator[Site]:
    """The site; afterwards nobody has power, and what was held up is let go."""
    yield shared_site
    shared_site.watch.let_go()
    shared_site.fleet.unplug()
