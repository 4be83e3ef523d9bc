"""The AS path is not prepended for an iBGP neighbour, which would detect a loop (N10)."""

from pathlib import Path

from tests.exabgp.box import OTHERS_ROUTE, boxes
from tests.servers import bird

OWN, ORPHAN = "10.20.255.1", "10.20.255.2"


def test_an_ibgp_neighbour_accepts_a_takeover_route(tmp_path: Path) -> None:
    service = {
        "auth_ip": OWN,
        "vip": [OWN, ORPHAN],
        "local_as": bird.ASN,
        "prepend": 1,
        "rise": 1,
        "interval": 1,
        "settle": 0,
    }
    with boxes(tmp_path, asn=bird.ASN) as both:
        for box in both:
            box.configure({"apex": service})
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, OWN: 100, ORPHAN: 200})
            assert box.agent_log().count("prepend is ignored") == 1


def test_a_neighbour_of_another_as_gets_the_longer_path(tmp_path: Path) -> None:
    asn = bird.ASN + 1
    service = {"auth_ip": OWN, "vip": [OWN, ORPHAN], "local_as": asn, "prepend": 1, "rise": 1, "settle": 0}
    with boxes(tmp_path) as both:
        for box in both:
            box.configure({"apex": service})
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, OWN: 100, ORPHAN: 200})
            [route] = box.switch.routes()[f"{ORPHAN}/32"]
            assert route.as_path == (asn, asn)
            assert "prepend is ignored" not in box.agent_log()
