"""Each option of a backend is a described field, accepted by the validation and listed in docs/stores.md."""

import pkgutil

import pytest

from tests.benchmark.stores.options import KINDS
from vipagent.config.catalog import options
from vipagent.store.access import parse_options
from vipagent.store.backend import StoreConfigError


@pytest.mark.parametrize("kind", KINDS.values())
def test_backend_options_are_validated_and_documented(kind: str) -> None:
    section = pkgutil.resolve_name(kind)
    with pytest.raises(StoreConfigError) as refused:
        parse_options(section, {"no_such_option": 1})
    known = str(refused.value).rpartition("Valid options: ")[2].split(", ")
    stated = [*options(section, on_command_line=False)]
    assert [key.path for key in stated] == known
    assert [key.path for key in stated if not key.text.endswith(".") or key.names] == []
