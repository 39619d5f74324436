"""A request is never lost because the server was about to close an idle connection."""

import httpx

from outdial.compose import _server


def test_the_server_keeps_idle_connections_longer_than_clients_do() -> None:
    longest = httpx.Limits().keepalive_expiry
    assert longest is not None
    assert _server(httpx.AsyncClient, "info").config.timeout_keep_alive > 2 * longest  # type: ignore[arg-type]
