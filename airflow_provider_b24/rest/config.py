"""What a client needs to know about a portal."""

from __future__ import annotations

from dataclasses import dataclass, field

OAUTH_SERVER = "https://oauth.bitrix.info"  # https://apidocs.bitrix24.com/settings/oauth/index.html


@dataclass(frozen=True)
class Webhook:
    """An incoming webhook: the user it acts as and its code (secret)."""

    user_id: int
    code: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must not be shown."""
        return (self.code,)


@dataclass(frozen=True)
class OAuthApp:
    """
    A local application and its first pair of tokens; renewed pairs are stored in a ``TokenStore``.

    :param server: address of the authorization server, without a trailing slash.
    """

    client_id: str
    client_secret: str = field(repr=False)
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    server: str = OAUTH_SERVER

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must not be shown."""
        return tuple(filter(None, (self.client_secret, self.access_token, self.refresh_token)))


@dataclass(frozen=True)
class PortalConfig:
    """
    One portal and how to talk to it.

    :param url: scheme, host, port and path prefix, without a trailing slash.
    :param credentials: webhook or application.
    :param plan: ``standard`` (50 requests at once, 2 per second), ``enterprise`` (250, 5) or ``none``.
    :param ca_bundle: path of a PEM file for a self-hosted portal's own certificate authority.
    :param verify_tls: whether the portal's certificate is verified.
    :param proxy: URL of an HTTP proxy; empty means the proxy settings of the environment.
    :param connect_timeout: seconds.
    :param read_timeout: seconds; the portal ends a request after 60.
    :param max_parallel: requests in flight at once.
    :param allowed_hosts: other hosts to which a renamed portal may redirect, each ``host`` (any port) or
        ``host:port``.
    """

    url: str
    credentials: Webhook | OAuthApp
    plan: str = "standard"
    ca_bundle: str = ""
    verify_tls: bool = True
    proxy: str = field(default="", repr=False)
    connect_timeout: float = 10.0
    read_timeout: float = 65.0
    max_parallel: int = 4
    allowed_hosts: tuple[str, ...] = ()
