from collections.abc import Iterator

import pytest

from tests.page.browser import Browser
from tests.servers.process import going_first


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with going_first(), Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser
