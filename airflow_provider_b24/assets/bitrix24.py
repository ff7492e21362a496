"""
Assets of a portal, ``bitrix24://<portal>/<path>``.

Paths: ``crm/contact``, ``crm/company``, ``crm/deal``, ``crm/lead``, ``crm/quote``, and for a smart process
``crm/item/<entityTypeId>``; other sections of a portal likewise, e.g. ``tasks/task``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.sdk import Asset

SCHEME = "bitrix24"

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PATH = re.compile(r"/[a-z0-9_]+(/[a-z0-9_]+)+")


def create_asset(
    *, portal: str, path: str, extra: Mapping[str, Any] | None = None, watchers: Sequence[Any] = ()
) -> Asset:
    """
    Return an asset of a portal, e.g. ``create_asset(portal="mycompany.bitrix24.com", path="crm/contact")``.

    :param portal: the portal's host, with a port if it has one.
    :param path: what in the portal; see the module.
    :param extra: facts for Airflow to keep with the asset, JSON values.
    :param watchers: ``AssetWatcher`` values, for example with a ``Bitrix24EventTrigger`` (Airflow 3).
    :raises ValueError: the host or the path is not one.
    """
    from urllib.parse import urlsplit

    from airflow.providers.common.compat.sdk import Asset

    uri = sanitize_uri(urlsplit(f"{SCHEME}://{portal}/{path.strip('/')}"))
    more: dict[str, Any] = {"watchers": list(watchers)} if watchers else {}  # Airflow 2 knows none
    return Asset(uri=uri.geturl(), extra=dict(extra or {}), **more)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check and normalize the address of an asset; Airflow calls this for every ``bitrix24://`` address.

    Host and path become lower case, the port 443 and a slash at the end are dropped.

    :raises ValueError: it names a user, has a query or a fragment, or its host or path is not one.
    """
    # No message quotes the address: somebody may have pasted a webhook's, whose code is a secret.
    if "@" in uri.netloc:
        raise ValueError("a bitrix24:// address must not contain a user or a password")
    host, path = uri.netloc.lower().removesuffix(":443"), uri.path.lower().rstrip("/")
    port = uri.port  # raises ValueError if it is not a number
    if not _HOST.fullmatch(host.removesuffix(f":{port}")):
        raise ValueError("a bitrix24:// address must begin with a portal, as in mycompany.bitrix24.com")
    if path.startswith("/rest/"):
        raise ValueError("a bitrix24:// address must not be that of a webhook")
    if uri.query or uri.fragment or not _PATH.fullmatch(path):
        raise ValueError("a bitrix24:// address must end with a path such as /crm/contact")
    return uri._replace(netloc=host, path=path)
