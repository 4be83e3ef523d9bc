"""The test suite that every backend must pass.

A backend needs one test file:

    class TestMyStore(BackendContract):       # tests for every store
        @pytest.fixture
        def store(self, tmp_path): ...        # a StoreUnderTest

    class TestMyStoreProcesses(ProcessDeath): # for stores shared by processes: a SharedStore
    class TestMyStoreFaults(ServerFaults):    # for stores with a server: a ServedStore
"""

from vipagent.testing.death import ProcessDeath
from vipagent.testing.faults import ServerFaults
from vipagent.testing.keys import Keys
from vipagent.testing.life import Life
from vipagent.testing.registering import Registering
from vipagent.testing.watching import Watching

__all__ = ["BackendContract", "ProcessDeath", "ServerFaults"]


class BackendContract(Registering, Watching, Keys, Life):
    """Tests for every store, without faults."""
