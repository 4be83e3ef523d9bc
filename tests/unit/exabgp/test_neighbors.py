from vipagent.exabgp.neighbors import Neighbors


def test_established_neighbours_are_counted() -> None:
    neighbors = Neighbors()
    assert neighbors.established == 0
    assert neighbors.changed("192.0.2.1", established=True)
    assert neighbors.changed("192.0.2.2", established=True)
    assert neighbors.established == 2
    assert neighbors.changed("192.0.2.1", established=False)
    assert neighbors.established == 1


def test_what_is_repeated_is_no_news() -> None:
    neighbors = Neighbors()
    assert not neighbors.changed("192.0.2.1", established=False), "`down` comes at every retry"
    neighbors.changed("192.0.2.1", established=True)
    assert not neighbors.changed("192.0.2.1", established=True)
    assert neighbors.established == 1
