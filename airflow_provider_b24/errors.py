"""
Everything that can go wrong, as one tree.

::

    Bitrix24Error
    ├── Bitrix24InputError (ValueError)       bad input, found before anything is sent
    │   └── Bitrix24ConfigError               a connection that cannot work
    ├── Bitrix24TransportError                no readable answer; temporary
    │   └── Bitrix24UnknownOutcomeError       ... to a write that must not be repeated
    ├── Bitrix24ApiError                      the portal answered with an error
    │   ├── Bitrix24AuthError                 credentials, scope, plan
    │   │   └── Bitrix24TokenExpiredError     the access token; refreshed once by the client
    │   ├── Bitrix24AccessDeniedError         no right on this object
    │   ├── Bitrix24NotFoundError             the object does not exist
    │   ├── Bitrix24MethodNotFoundError       the REST method does not exist on this portal
    │   ├── Bitrix24BadRequestError           parameters the portal refuses
    │   ├── Bitrix24LimitError                refused by a limit, so not executed; temporary
    │   │   ├── Bitrix24RateLimitError        too many requests
    │   │   └── Bitrix24OperatingLimitError   too much operating time of one method
    │   └── Bitrix24ServerError               the portal failed; temporary
    └── Bitrix24SyncError                     more contacts failed than allowed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import pendulum


class Bitrix24Error(Exception):
    """
    Base of all errors of this package.

    :ivar code: Bitrix24's error code, often empty (the CRM answers many errors with ``""``).
    :ivar description: what happened, in the portal's words or ours; never a secret.
    :ivar http_status: status of the HTTP answer, if there was one.
    :ivar method: the REST method that was called, if any.
    :ivar temporary: whether the same call may succeed later.
    :ivar advice: what to do about it, a sentence or empty.
    :ivar retry_at: aware time before which a repetition is pointless, if the portal said so.
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


class Bitrix24InputError(Bitrix24Error, ValueError):
    """Input that is refused before anything is sent."""


class Bitrix24ConfigError(Bitrix24InputError):
    """A connection that cannot work as it is filled in."""


class Bitrix24TransportError(Bitrix24Error):
    """
    No readable answer: refused, DNS, TLS, timeout, reset, a page instead of JSON.

    :ivar sent: whether the request may have reached the portal and been executed.
    """

    default_temporary = True

    def __init__(self, description: str = "", *, sent: bool = True, **facts: object) -> None:
        super().__init__(description, **facts)  # type: ignore[arg-type]  # the base's own keywords
        self.sent = sent


class Bitrix24UnknownOutcomeError(Bitrix24TransportError):
    """The answer to a write was lost; it may or may not have been executed."""

    default_temporary = False
    default_advice = "The portal may have carried it out: look before you repeat it."


class Bitrix24ApiError(Bitrix24Error):
    """The portal answered with an error."""


class Bitrix24AuthError(Bitrix24ApiError):
    """The portal does not accept these credentials, their scope or the plan."""

    default_advice = "Check the webhook or application of the connection, its owner and its scope."


class Bitrix24TokenExpiredError(Bitrix24AuthError):
    """The access token has expired."""

    default_advice = "The refresh token of the connection was not enough to get a new one."


class Bitrix24AccessDeniedError(Bitrix24ApiError):
    """The user of the connection may not do this."""

    default_advice = "Give the webhook's owner the right to this object in the CRM permissions."


class Bitrix24NotFoundError(Bitrix24ApiError):
    """The object does not exist in the portal."""

    default_advice = "Check the id: the portal has no such record."


class Bitrix24MethodNotFoundError(Bitrix24ApiError):
    """The portal does not know the REST method."""

    default_advice = "Check the method's name; a self-hosted portal may be too old for it."


class Bitrix24BadRequestError(Bitrix24ApiError):
    """The portal refuses the parameters."""


class Bitrix24LimitError(Bitrix24ApiError):
    """Refused by one of the portal's limits before it was executed."""

    default_temporary = True


class Bitrix24RateLimitError(Bitrix24LimitError):
    """Too many requests (``QUERY_LIMIT_EXCEEDED``)."""


class Bitrix24OperatingLimitError(Bitrix24LimitError):
    """The method used up its operating time (``OPERATION_TIME_LIMIT``)."""


class Bitrix24ServerError(Bitrix24ApiError):
    """The portal failed while it worked on the request."""

    default_temporary = True


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
    "overload_limit": Bitrix24LimitError,
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
    425: Bitrix24ServerError,
    429: Bitrix24RateLimitError,
    503: Bitrix24ServerError,
}

_SCOPE_ADVICE = "Give the webhook or application the scope 'crm' (and the scope of the method you call)."


def classify(
    code: str,
    description: str,
    http_status: int | None,
    method: str = "",
    retry_at: pendulum.DateTime | None = None,
) -> Bitrix24ApiError:
    """
    Build the error for a portal's answer: by code, then by status, then by text.

    The same code is documented with up to three statuses, and the CRM's own errors carry no code at all.
    """
    kind = (
        _BY_CODE.get(code.lower()) or _BY_STATUS.get(http_status or 0) or _by_text(description, http_status)
    )
    text = description.lower()
    advice = None
    if kind is Bitrix24AccessDeniedError and ("subscription" in text or "commercial plan" in text):
        kind = Bitrix24AuthError
        advice = "The portal's plan does not include REST."
    elif code.lower() == "insufficient_scope":
        advice = _SCOPE_ADVICE
    return kind(
        description, code=code, http_status=http_status, method=method, retry_at=retry_at, advice=advice
    )


def _by_text(description: str, http_status: int | None) -> type[Bitrix24ApiError]:
    text = description.lower().rstrip(".!")
    if text == "not found":
        return Bitrix24NotFoundError
    if text == "access denied" or "do not have permission" in text:
        return Bitrix24AccessDeniedError
    if http_status is not None and http_status >= 500:
        return Bitrix24ServerError
    return Bitrix24BadRequestError
