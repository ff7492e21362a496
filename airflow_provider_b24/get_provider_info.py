"""What Airflow is told about this package: plain data, so that reading it imports nothing."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """
    Return the provider's metadata, which also is the one statement of the connection form.

    Airflow 3.2 and later read the form from here; ``airflow_provider_b24.connection`` renders the same
    statement for the web form of 2.11 and reads connections by it.
    """
    return {
        "package-name": "airflow-provider-b24",
        "name": "Bitrix24",
        "description": "The Bitrix24 CRM: contacts and their companies, and any other REST method.",
        "versions": ["0.1.0"],
        "integrations": [
            {
                "integration-name": "Bitrix24",
                "external-doc-url": "https://apidocs.bitrix24.com/",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {"integration-name": "Bitrix24", "python-modules": ["airflow_provider_b24.hooks.bitrix24"]},
        ],
        "operators": [
            {
                "integration-name": "Bitrix24",
                "python-modules": [
                    "airflow_provider_b24.operators.contact_company",
                    "airflow_provider_b24.operators.sync",
                    "airflow_provider_b24.operators.bitrix24",
                    "airflow_provider_b24.operators.export",
                ],
            },
        ],
        "extra-links": ["airflow_provider_b24.links.Bitrix24ContactLink"],
        "cli": ["airflow_provider_b24.cli.definition.get_bitrix24_cli_commands"],
        "connection-types": [
            {
                "connection-type": "bitrix24",
                "hook-class-name": "airflow_provider_b24.hooks.bitrix24.Bitrix24Hook",
                "hook-name": "Bitrix24",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {
                        "host": "Portal",
                        "login": "Webhook user id",
                        "password": "Webhook code",
                    },
                    "placeholders": {
                        "host": "mycompany.bitrix24.com",
                        "port": "443; the Test button of Airflow 3.3.1 and 3.3.2 needs it",
                        "login": "1",
                        "password": "the code, or the whole address of the webhook",
                    },
                },
                "conn-fields": {
                    "plan": {
                        "label": "Plan",
                        "description": "The portal's request limit: standard (50 at once, 2 per second), "
                        "enterprise (250, 5 per second), none (a self-hosted portal without limits).",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["standard", "enterprise", "none"],
                            "default": "standard",
                        },
                    },
                    "client_id": {
                        "label": "OAuth client id",
                        "description": "client_id of a local application. Filled: OAuth is used, and user id "
                        "and code of a webhook stay empty.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "client_secret": {
                        "label": "OAuth client secret",
                        "description": "client_secret of the local application.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "access_token": {
                        "label": "OAuth access token",
                        "description": "May stay empty: a new one is got with the refresh token.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "refresh_token": {
                        "label": "OAuth refresh token",
                        "description": "The first one; its successors are kept in the token store.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "oauth_server": {
                        "label": "OAuth server",
                        "description": "The authorization server; empty means https://oauth.bitrix.info.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "ca_bundle": {
                        "label": "CA bundle",
                        "description": "Path, on the workers, of a PEM file with the authority that signed a "
                        "self-hosted portal's certificate.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "verify_tls": {
                        "label": "Verify TLS",
                        "description": "Off: whoever answers passes for the portal. Prefer a CA bundle.",
                        "schema": {"type": ["boolean", "null"], "default": True},
                    },
                    "proxy": {
                        "label": "Proxy",
                        "description": "Address of an HTTP proxy, e.g. http://me:secret@proxy.example:3128. "
                        "Empty: what the environment says (HTTPS_PROXY, NO_PROXY).",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "connect_timeout": {
                        "label": "Connect timeout, s",
                        "description": "Seconds until a connection must stand.",
                        "schema": {"type": ["number", "null"], "minimum": 0.1, "default": 10},
                    },
                    "read_timeout": {
                        "label": "Read timeout, s",
                        "description": "Seconds until an answer must begin; the portal gives up after 60.",
                        "schema": {"type": ["number", "null"], "minimum": 0.1, "default": 65},
                    },
                    "max_parallel": {
                        "label": "Requests in flight",
                        "description": "How many requests one task may have in flight, 1 to 16.",
                        "schema": {
                            "type": ["integer", "null"],
                            "minimum": 1,
                            "maximum": 16,
                            "default": 4,
                        },
                    },
                    "allow_http": {
                        "label": "Allow plain http",
                        "description": "Lets the address be http://…; credentials then travel in the clear.",
                        "schema": {"type": ["boolean", "null"], "default": False},
                    },
                    "allowed_hosts": {
                        "label": "Allowed hosts",
                        "description": "Further hosts, separated by commas, to which a renamed portal may "
                        "redirect. Portals of one Bitrix24 cloud domain need not be listed.",
                        "schema": {"type": ["string", "null"]},
                    },
                },
            },
        ],
        "config": {
            "bitrix24": {
                "description": "Settings of the Bitrix24 provider that concern a machine, not a portal.",
                "options": {
                    "pacing_dir": {
                        "description": "Directory in which all processes of a machine share what is left of "
                        "a portal's request limit. Default: one of the user's in the temporary folder.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/var/lib/airflow/bitrix24",
                        "default": None,
                    },
                    "pacing_redis_url": {
                        "description": "Redis in which workers of several machines behind one address share "
                        "it instead (needs the extra 'redis').",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "redis://redis.example:6379/0",
                        "default": None,
                        "sensitive": True,
                    },
                    "retry_timeout": {
                        "description": "Seconds without any progress after which a temporary error is passed "
                        "on to the task's own retries. Waits that the portal itself dictates do not count.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "120",
                    },
                    "token_store": {
                        "description": "Where rotated OAuth tokens are kept: 'variable' (Airflow Variables), "
                        "'file:<directory>' (files only their owner may read), or the dotted path of "
                        "a callable (conn_id, fingerprint) that returns a TokenStore.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "file:/var/lib/airflow/bitrix24",
                        "default": "variable",
                    },
                },
            },
        },
    }
