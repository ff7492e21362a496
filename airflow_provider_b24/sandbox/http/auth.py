"""Who may come in: users, incoming webhooks, and access tokens of applications."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_b24.sandbox.http.exchange import Request
from airflow_provider_b24.sandbox.http.oauth import Applications
from airflow_provider_b24.sandbox.model import errors, php
from airflow_provider_b24.sandbox.model.calls import Caller, Method, User
from airflow_provider_b24.sandbox.model.errors import RestError

TAKEN_BY_SERVER = ("aplogin", "ap", "auth", "access_token", "state", "token", "start")


@dataclass(frozen=True, slots=True)
class Webhook:
    """An incoming webhook: the rights of its user within the chosen scope."""

    user_id: int
    code: str = field(repr=False)
    scope: frozenset[str]


@dataclass(frozen=True, slots=True)
class Address:
    """A REST path taken apart: ``/rest/{user}/{code}/{method}`` or ``/rest/{method}``."""

    method: str
    user_id: int | None = None
    code: str = field(default="", repr=False)

    @classmethod
    def read(cls, path: str) -> Address:
        """Read what follows ``/rest/``; the suffix .json, a final slash and capitals make no difference."""
        parts = path.strip("/").split("/")
        if len(parts) == 1:
            return cls(_method_name(parts[0]))
        if parts[0].isdigit() and len(parts) in {2, 3}:
            return cls(_method_name("".join(parts[2:])), int(parts[0]), parts[1])
        return cls("")


def _method_name(text: str) -> str:
    return text.lower().removesuffix(".json").removesuffix(".xml")


class Doors:
    """Every way into the portal."""

    def __init__(self, apps: Applications) -> None:
        self.users: dict[int, User] = {}
        self.apps = apps
        self._webhooks: dict[tuple[int, str], Webhook] = {}

    def add_user(self, user: User) -> User:
        """Add a portal user, in the place of one with the same id."""
        self.users[user.id] = user
        return user

    def add_webhook(self, user_id: int, code: str, scope: Iterable[str]) -> Webhook:
        """Add an incoming webhook of a user."""
        webhook = Webhook(user_id, code, frozenset(scope))
        self._webhooks[user_id, code] = webhook
        return webhook

    def authenticate(self, address: Address, request: Request) -> Caller:
        """The caller, or a ``RestError`` that says why nobody was let in."""
        if address.user_id is not None:
            return self._by_webhook(address.user_id, address.code)
        token = _access_token(request)
        if not token:
            raise RestError(*errors.NO_AUTH)
        return self._by_token(token)

    def _by_webhook(self, user_id: int, code: str) -> Caller:
        webhook = self._webhooks.get((user_id, code))
        if webhook is None:
            raise RestError(*errors.INVALID_CREDENTIALS)
        return Caller(self._active(user_id), webhook.scope, key=f"webhook {user_id} {code}")

    def _by_token(self, token: str) -> Caller:
        granted = self.apps.granted(token)
        if granted is None:
            raise RestError(*errors.INVALID_TOKEN)
        app, expired = granted
        if expired:
            raise RestError(*errors.EXPIRED_TOKEN)
        key = f"app {app.client_id}"
        return Caller(self._active(app.user_id), app.scope, key, client_id=app.client_id)

    def _active(self, user_id: int) -> User:
        user = self.users.get(user_id)
        if user is None or not user.active:
            raise RestError(*errors.USER_INACTIVE)
        return user


def _access_token(request: Request) -> str:
    params = request.params
    for name in ("auth", "access_token"):
        if isinstance(params.get(name), str):
            return str(params[name])
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def check_scope(method: Method, caller: Caller) -> None:
    """Refuse a method outside the caller's scope, or one closed to webhooks."""
    if method.scope is not None and method.scope not in caller.scope:
        raise RestError(*(errors.TOKEN_SCOPE if caller.client_id else errors.WEBHOOK_SCOPE))
    if not method.webhook and caller.client_id is None:
        raise RestError(*errors.WRONG_AUTH_TYPE)


def method_params(params: dict[php.Key, Any]) -> tuple[dict[php.Key, Any], int | None]:
    """What the method itself sees, and the page offset that the server took out."""
    start = params.get("start")
    rest = {name: value for name, value in params.items() if name not in TAKEN_BY_SERVER}
    return rest, None if start is None else php.to_int(start)
