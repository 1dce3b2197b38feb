"""What every media plane has to do, over real sockets; each one's tests inherit `PlaneContract`."""

from tests.transport.plane.contract.addresses import Addresses
from tests.transport.plane.contract.collecting import Collecting
from tests.transport.plane.contract.endings import Endings
from tests.transport.plane.contract.endurance import Endurance
from tests.transport.plane.contract.joining import Joining
from tests.transport.plane.contract.nonsense import Nonsense
from tests.transport.plane.contract.opening import Opening
from tests.transport.plane.contract.repair import Repair
from tests.transport.plane.contract.reports import Reports
from tests.transport.plane.contract.tcp import Tcp


class PlaneContract(
    Joining, Repair, Addresses, Endings, Reports, Tcp, Collecting, Opening, Nonsense, Endurance
):
    """Inherit and set `open_plane`."""
