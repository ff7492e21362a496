"""The portal's errors: exact status, code and text.

Statuses are those of the server's code; ``DOCUMENTED_STATUSES`` lists where the documentation differs.
"""

from __future__ import annotations

from typing import Any


class RestError(Exception):
    """A refusal: HTTP ``status``, the ``error`` code (may be empty) and ``error_description``."""

    def __init__(self, status: int, code: str, text: str, **extra: str) -> None:
        super().__init__(f"{status} {code or 'without a code'}: {text}")
        self.status = status
        self.code = code
        self.text = text
        self.extra = extra

    def body(self) -> dict[str, Any]:
        """The JSON body; it has neither ``result`` nor ``time``."""
        return {"error": self.code, "error_description": self.text, **self.extra}


def bad_request(text: str) -> RestError:
    """A ``RestException`` without code and status: 400 with an empty code."""
    return RestError(400, "", text)


def bad_argument(text: str) -> RestError:
    """An invalid filter, order or field in crm.item.*."""
    return RestError(400, "INVALID_ARG_VALUE", text)


METHOD_NOT_FOUND = (404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
OBJECT_DENIED = (403, "ACCESS_DENIED", "Access denied!")
ITEM_DENIED = (400, "ACCESS_DENIED", "You do not have permission to view this item")
QUERY_LIMIT = (503, "QUERY_LIMIT_EXCEEDED", "Too many requests")
TIME_LIMIT = (429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.")
ELEMENT_NOT_FOUND = (400, "ERROR_CORE", "Element not found")
SERVER_ERROR = (500, "INTERNAL_SERVER_ERROR", "Internal server error")
WRONG_AUTH_TYPE = (403, "WRONG_AUTH_TYPE", "Current authorization type is denied for this method")

NO_AUTH = (401, "NO_AUTH_FOUND", "Wrong authorization data")
INVALID_CREDENTIALS = (401, "INVALID_CREDENTIALS", "Invalid request credentials")
EXPIRED_TOKEN = (401, "expired_token", "The access token provided has expired")
INVALID_TOKEN = (401, "invalid_token", "Unable to get application by token")
USER_INACTIVE = (401, "authorization_error", "Unable to authorize user")
WEBHOOK_SCOPE = (
    401,
    "insufficient_scope",
    "The request requires higher privileges than provided by the webhook token",
)
TOKEN_SCOPE = (
    401,
    "insufficient_scope",
    "The request requires higher privileges than provided by the access token",
)

PORTAL_REFUSALS = {
    "user_access_error": (401, "user_access_error", "The user does not have access to the application."),
    "ACCESS_DENIED": (401, "ACCESS_DENIED", "REST is available only by subscription."),
    "INVALID_REQUEST": (401, "INVALID_REQUEST", "Https required."),
    "OVERLOAD_LIMIT": (401, "OVERLOAD_LIMIT", "REST API is blocked due to overload."),
    "PORTAL_DELETED": (403, "PORTAL_DELETED", "Portal was deleted"),
    "APPLICATION_NOT_FOUND": (401, "APPLICATION_NOT_FOUND", "Application not found"),
    "ERROR_OAUTH": (401, "ERROR_OAUTH", "Application not installed"),
    "CONNECTION_ERROR": (401, "CONNECTION_ERROR", "Error connecting to authorization server"),
}
"""What ``Portal.refusal`` may name: states of a whole portal that apply to every call."""

PLAN_REFUSAL_BY_TOKEN = (401, "ACCESS_DENIED", "REST is available only on commercial plans.")

DOCUMENTED_STATUSES = {
    "INVALID_CREDENTIALS": 403,
    "insufficient_scope": 403,
    "user_access_error": 403,
    "ACCESS_DENIED": 403,
    "INVALID_REQUEST": 400,
    "OVERLOAD_LIMIT": 503,
    "PORTAL_DELETED": 500,
}
"""Statuses of authorization errors in the documentation, where they differ from the server's code."""
