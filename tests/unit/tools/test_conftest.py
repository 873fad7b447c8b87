import socket

import pytest


def test_a_name_beyond_this_machine_is_not_looked_up() -> None:
    """Resolving a foreign name fails before a packet leaves."""
    with pytest.raises(RuntimeError, match=r"look up 'example\.org'"):
        socket.getaddrinfo("example.org", 443)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "0.0.0.0"])
def test_an_address_beyond_this_machine_is_not_connected(address: str) -> None:
    """Connecting to a foreign address fails before a packet leaves."""
    with socket.socket() as client, pytest.raises(RuntimeError, match="this machine only"):
        client.connect((address, 9))


def test_a_datagram_beyond_this_machine_is_not_sent() -> None:
    """Datagrams are refused as connections are."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as client,
        pytest.raises(RuntimeError, match="this machine only"),
    ):
        client.sendto(b"x", ("192.0.2.1", 9))


def test_loopback_is_open() -> None:
    """A server of this machine can be reached by address, by name and over IPv6 where there is one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            with socket.create_connection((host, port)) as client:
                assert client.getpeername()[1] == port


def test_unix_sockets_are_open(tmp_path) -> None:
    """A socket in the file system is not the network."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)
        assert client.getpeername() == path
