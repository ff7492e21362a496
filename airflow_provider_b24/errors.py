"""
Every error of this package, as one tree.

::

    Bitrix24Error
    ├── Bitrix24InputError (ValueError)       bad input, found before anything is sent
    │   └── Bitrix24ConfigError               a connection or setting that cannot work
    ├── Bitrix24TransportError                no readable answer; temporary
    │   ├── Bitrix24TimeoutError              ... within the time allowed
    │   └── Bitrix24UnknownOutcomeError       ... to a write that must not be repeated
    ├── Bitrix24ApiError                      the portal answered with an error
    │   ├── Bitrix24AuthError                 credentials, scope, plan
    │   │   └── Bitrix24TokenExpiredError     the access token; renewed by the client
    │   ├── Bitrix24AccessDeniedError         no permission for this object
    │   ├── Bitrix24NotFoundError             the object does not exist
    │   ├── Bitrix24MethodNotFoundError       the REST method does not exist on this portal
    │   ├── Bitrix24BadRequestError           parameters the portal rejects
    │   │   └── Bitrix24RequestTooLargeError  a request body the portal's web server rejects
    │   ├── Bitrix24LimitError                rejected by a limit, so not executed; temporary
    │   │   ├── Bitrix24RateLimitError        too many requests
    │   │   └── Bitrix24OperatingLimitError   too much operating time of one method
    │   └── Bitrix24ServerError               the portal failed; temporary
    ├── Bitrix24TableError                    a database or a table cannot take the rows of a list
    └── Bitrix24SyncError                     more contacts failed than allowed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import pendulum


class Bitrix24Error(Exception):
    """
    Base of all errors of this package. An error is not changed after it is created; see ``replace``.

    :ivar code: Bitrix24's error code, often empty (the CRM answers many errors with ``""``).
    :ivar description: what happened, in the portal's words or ours; never a secret.
    :ivar http_status: status of the HTTP answer, if there was one.
    :ivar method: the REST method that was called, if any.
    :ivar temporary: whether the same call may succeed later.
    :ivar advice: what to do about it, a sentence or empty.
    :ivar retry_at: aware time before which a retry is pointless, if known.
    """

    default_temporary: ClassVar[bool] = False
    default_advice: ClassVar[str] = ""

    def __init__(
        self,
        description: str = "",
        *,
        code: str = "",
        http_status: int | None = None,
        method: str = "",
        temporary: bool | None = None,
        retry_at: pendulum.DateTime | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(description)
        self.description = description
        self.code = code
        self.http_status = http_status
        self.method = method
        self.temporary = self.default_temporary if temporary is None else temporary
        self.retry_at = retry_at
        self.advice = self.default_advice if advice is None else advice

    def __str__(self) -> str:
        where = f"{self.method}: " if self.method else ""
        status = f"HTTP {self.http_status}" if self.http_status is not None else ""
        facts = ", ".join(fact for fact in (self.code, status) if fact)
        what = (self.description or self.code or type(self).__name__).rstrip(".")
        text = f"{where}{what}" + (f" ({facts})" if facts else "")
        return f"{text}. {self.advice}" if self.advice else text

    def replace(self, **changes: Any) -> Self:
        """Return a copy, without a traceback, in which these attributes have other values."""
        facts = self.__dict__ | changes
        new = type(self)(facts["description"])
        new.__dict__.update(facts)
        return new


class Bitrix24InputError(Bitrix24Error, ValueError):
    """Input that is rejected before anything is sent."""


class Bitrix24ConfigError(Bitrix24InputError):
    """A connection or a setting that cannot work as it is."""


class Bitrix24TransportError(Bitrix24Error):
    """
    No readable answer: refused, DNS, TLS, timeout, reset, an HTML page instead of JSON.

    :ivar sent: whether the request may have reached the portal and been executed.
    """

    default_temporary = True

    def __init__(self, description: str = "", *, sent: bool = True, **facts: Any) -> None:
        super().__init__(description, **facts)
        self.sent = sent


class Bitrix24TimeoutError(Bitrix24TransportError):
    """The portal, or a proxy before it, did not finish the request in time."""


class Bitrix24UnknownOutcomeError(Bitrix24TransportError):
    """The answer to a write was lost, so the write may or may not have been applied."""

    default_temporary = False
    default_advice = "The write may have been applied. Check the record before retrying."


class Bitrix24ApiError(Bitrix24Error):
    """The portal answered with an error."""


class Bitrix24AuthError(Bitrix24ApiError):
    """The portal does not accept these credentials, their scope or the plan."""

    default_advice = "Check the webhook or application of the connection, its owner and its scope."


class Bitrix24TokenExpiredError(Bitrix24AuthError):
    """The access token has expired."""

    default_advice = "The connection's refresh token could not be used to get a new access token."


class Bitrix24AccessDeniedError(Bitrix24ApiError):
    """The user of the connection may not do this."""

    default_advice = "Give the webhook's owner permission for this object in the CRM settings."


class Bitrix24NotFoundError(Bitrix24ApiError):
    """The object does not exist in the portal."""

    default_advice = "Check the id: the portal has no such record."


class Bitrix24MethodNotFoundError(Bitrix24ApiError):
    """The portal does not know the REST method."""

    default_advice = "Check the spelling of the method; an older self-hosted portal may not have it."


class Bitrix24BadRequestError(Bitrix24ApiError):
    """The portal rejects the parameters."""


class Bitrix24RequestTooLargeError(Bitrix24BadRequestError):
    """The request's body is larger than the web server before the portal accepts."""

    default_advice = "Send less in one call, or raise the web server's limit (client_max_body_size in nginx)."


class Bitrix24LimitError(Bitrix24ApiError):
    """Rejected by one of the portal's limits before it was executed."""

    default_temporary = True


class Bitrix24RateLimitError(Bitrix24LimitError):
    """Too many requests (``QUERY_LIMIT_EXCEEDED``)."""


class Bitrix24OperatingLimitError(Bitrix24LimitError):
    """The method used up its operating time (``OPERATION_TIME_LIMIT``)."""


class Bitrix24ServerError(Bitrix24ApiError):
    """The portal failed while it worked on the request."""

    default_temporary = True


class Bitrix24TableError(Bitrix24Error):
    """
    A database, or a table in it, cannot take the rows of a list; nothing of them was written.

    :ivar table: the table's name as the caller wrote it.
    :ivar column: the table's column, if it is about one.
    :ivar row_id: id of the row, if it is about one.
    """

    def __init__(
        self, description: str = "", *, table: str = "", column: str = "", row_id: object = None, **facts: Any
    ) -> None:
        super().__init__(description, **facts)
        self.table = table
        self.column = column
        self.row_id = row_id


class Bitrix24SyncError(Bitrix24Error):
    """
    More contacts failed than ``max_failures`` allows.

    :ivar summary: the summary of the whole run, as plain JSON.
    """

    def __init__(self, description: str = "", *, temporary: bool = False) -> None:
        super().__init__(description, temporary=temporary)
        self.summary: dict[str, Any] = {}


# https://apidocs.bitrix24.com/error-codes.html and the portal's own sources; codes in lower case.
_BY_CODE: dict[str, type[Bitrix24ApiError]] = {
    "query_limit_exceeded": Bitrix24RateLimitError,
    "operation_time_limit": Bitrix24OperatingLimitError,
    "expired_token": Bitrix24TokenExpiredError,
    "no_auth_found": Bitrix24AuthError,
    "invalid_credentials": Bitrix24AuthError,
    "insufficient_scope": Bitrix24AuthError,
    "invalid_scope": Bitrix24AuthError,
    "invalid_token": Bitrix24AuthError,
    "authorization_error": Bitrix24AuthError,
    "application_not_found": Bitrix24AuthError,
    "error_oauth": Bitrix24AuthError,
    "user_access_error": Bitrix24AuthError,
    "wrong_auth_type": Bitrix24AuthError,
    "wrong_client": Bitrix24AuthError,
    "invalid_client": Bitrix24AuthError,
    "invalid_grant": Bitrix24AuthError,
    "bad_verification_code": Bitrix24AuthError,
    "payment_required": Bitrix24AuthError,
    "not_installed": Bitrix24AuthError,
    "portal_deleted": Bitrix24AuthError,
    "overload_limit": Bitrix24AuthError,
    "access_denied": Bitrix24AccessDeniedError,
    "error_method_not_found": Bitrix24MethodNotFoundError,
    "not_found": Bitrix24NotFoundError,
    "error_not_found": Bitrix24NotFoundError,
    "connection_error": Bitrix24ServerError,
    "internal_server_error": Bitrix24ServerError,
    "error_unexpected_answer": Bitrix24ServerError,
    "error_argument": Bitrix24BadRequestError,
    "invalid_request": Bitrix24BadRequestError,
}

_BY_STATUS: dict[int, type[Bitrix24ApiError]] = {
    401: Bitrix24AuthError,
    403: Bitrix24AccessDeniedError,
    404: Bitrix24NotFoundError,
    408: Bitrix24ServerError,
    413: Bitrix24RequestTooLargeError,
    425: Bitrix24ServerError,
    429: Bitrix24RateLimitError,
    503: Bitrix24ServerError,
}

_ADVICE = {
    "insufficient_scope": "Add the scope 'crm' (and the scope of the method) to the webhook or application.",
    "overload_limit": "Bitrix24 has blocked REST for this portal. Ask Bitrix24 support to lift the block.",
}
_NOT_FOUND = frozenset({"not found", "element not found"})


def classify(
    code: str,
    description: str,
    http_status: int | None,
    method: str = "",
    advice: str | None = None,
) -> Bitrix24ApiError:
    """
    Build the error for a portal's answer: by code, then by status, then by text.

    The same code is documented with up to three statuses, and the CRM's own errors have no code at all.

    :param advice: what to do, where the kind of error does not say it well enough.
    """
    kind = (
        _BY_CODE.get(code.lower())
        or _BY_STATUS.get(http_status or 0)
        or _by_text(description)
        or _by_range(http_status)
    )
    text = description.lower()
    if kind is Bitrix24AccessDeniedError and ("subscription" in text or "commercial plan" in text):
        kind = Bitrix24AuthError
        advice = "The portal's plan does not include REST."
    return kind(
        description,
        code=code,
        http_status=http_status,
        method=method,
        advice=_ADVICE.get(code.lower(), advice),
    )


def is_temporary_status(http_status: int) -> bool:
    """Whether the same request may get another HTTP status later."""
    return (_BY_STATUS.get(http_status) or _by_range(http_status)).default_temporary


def _by_text(description: str) -> type[Bitrix24ApiError] | None:
    text = description.lower().rstrip(".!")
    if text in _NOT_FOUND:
        return Bitrix24NotFoundError
    if text == "access denied" or "do not have permission" in text:
        return Bitrix24AccessDeniedError
    return None


def _by_range(http_status: int | None) -> type[Bitrix24ApiError]:
    server_failed = http_status is not None and http_status >= 500
    return Bitrix24ServerError if server_failed else Bitrix24BadRequestError
