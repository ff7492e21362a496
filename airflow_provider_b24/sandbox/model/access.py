"""Who may call the portal: users through incoming webhooks or access tokens, within a scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_provider_b24.sandbox.model import errors
from airflow_provider_b24.sandbox.model.applications import Applications
from airflow_provider_b24.sandbox.model.calls import Caller, User
from airflow_provider_b24.sandbox.model.errors import RestError


@dataclass(frozen=True, slots=True)
class Webhook:
    """An incoming webhook: the permissions of its user within the chosen scope."""

    user_id: int
    code: str = field(repr=False)
    scope: frozenset[str]


class Access:
    """Webhooks and applications, and the users they act for."""

    def __init__(self, users: dict[int, User], apps: Applications) -> None:
        self.users = users
        self.apps = apps
        self._webhooks: dict[tuple[int, str], Webhook] = {}

    def add_webhook(self, user_id: int, code: str, scope: Iterable[str]) -> Webhook:
        """Add an incoming webhook of a user."""
        webhook = Webhook(user_id, code, frozenset(scope))
        self._webhooks[user_id, code] = webhook
        return webhook

    def by_webhook(self, user_id: int, code: str) -> Caller:
        """The caller behind a webhook; raises ``RestError`` if it is unknown or its user is inactive."""
        webhook = self._webhooks.get((user_id, code))
        if webhook is None:
            raise RestError(*errors.INVALID_CREDENTIALS)
        key = f"webhook {user_id} {code}"
        return Caller(self._active(user_id), webhook.scope, key, path=f"{user_id}/{code}/")

    def by_token(self, token: str) -> Caller:
        """The caller behind an access token; raises ``RestError`` if it is unknown or has expired."""
        granted = self.apps.granted(token)
        if granted is None:
            raise RestError(*errors.INVALID_TOKEN)
        app, expired = granted
        if expired:
            raise RestError(*errors.EXPIRED_TOKEN)
        key = f"app {app.client_id}"
        return Caller(self._active(app.user_id), app.scope, key, client_id=app.client_id, token=token)

    def _active(self, user_id: int) -> User:
        user = self.users.get(user_id)
        if user is None or not user.active:
            raise RestError(*errors.USER_INACTIVE)
        return user
