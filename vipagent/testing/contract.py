"""The suite that every backend passes.

An author writes one test file for theirs:

    class TestMyStore(BackendContract):       # what holds for every store
        @pytest.fixture
        def store(self, tmp_path): ...        # a StoreUnderTest

    class TestMyStoreProcesses(ProcessDeath): # a store that processes share: a SharedStore
    class TestMyStoreFaults(ServerFaults):    # a store with a server: a ServedStore
"""

from vipagent.testing.death import ProcessDeath
from vipagent.testing.faults import ServerFaults
from vipagent.testing.keys import Keys
from vipagent.testing.life import Life
from vipagent.testing.registering import Registering
from vipagent.testing.watching import Watching

__all__ = ["BackendContract", "ProcessDeath", "ServerFaults"]


class BackendContract(Registering, Watching, Keys, Life):
    """What holds for every store, as long as it is well."""
