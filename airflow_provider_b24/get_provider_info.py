"""The metadata of this package for Airflow: plain data, so that reading it imports nothing."""

from __future__ import annotations

from typing import Any

_ASSETS = {
    "schemes": ["bitrix24"],
    "handler": "airflow_provider_b24.assets.bitrix24.sanitize_uri",
    "factory": "airflow_provider_b24.assets.bitrix24.create_asset",
}


def get_provider_info() -> dict[str, Any]:
    """
    Return the provider's metadata, which also defines the connection form.

    Airflow 3.2 and later read the form from here; ``airflow_provider_b24.connection_form`` renders it for
    older versions and reads connections by it.
    """
    return {
        "package-name": "airflow-provider-b24",
        "name": "Bitrix24",
        "description": "Bitrix24 CRM: companies of contacts, and any other REST method.",
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
        "sensors": [
            {"integration-name": "Bitrix24", "python-modules": ["airflow_provider_b24.sensors.bitrix24"]},
        ],
        "triggers": [
            {
                "integration-name": "Bitrix24",
                "python-modules": [
                    "airflow_provider_b24.triggers.wait",
                    "airflow_provider_b24.triggers.sensor",
                    "airflow_provider_b24.triggers.event",
                    "airflow_provider_b24.triggers.changes",
                ],
            },
        ],
        "notifications": ["airflow_provider_b24.notifications.bitrix24.Bitrix24Notifier"],
        "asset-uris": [_ASSETS],
        "dataset-uris": [_ASSETS],  # the name on Airflow 2
        "extra-links": [
            "airflow_provider_b24.links.Bitrix24ContactLink",
            "airflow_provider_b24.links.Bitrix24RecordLink",
        ],
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
                        "port": "443 (the Test button of Airflow 3.3.1 and 3.3.2 requires it)",
                        "login": "1",
                        "password": "the code, or the whole webhook address",
                    },
                },
                "conn-fields": {
                    "plan": {
                        "label": "Plan",
                        "description": "Request limit of the portal: standard (bursts of 50, then 2 per "
                        "second), enterprise (250, then 5), none (a self-hosted portal without a limit).",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["standard", "enterprise", "none"],
                            "default": "standard",
                        },
                    },
                    "client_id": {
                        "label": "OAuth client id",
                        "description": "client_id of a local application. Set it to use OAuth, and leave the "
                        "user id and the code of a webhook empty.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "client_secret": {
                        "label": "OAuth client secret",
                        "description": "client_secret of the local application.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "access_token": {
                        "label": "OAuth access token",
                        "description": "Optional: the refresh token is used to get a new one.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "refresh_token": {
                        "label": "OAuth refresh token",
                        "description": "The first refresh token. Later ones are stored in the token store.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "oauth_server": {
                        "label": "OAuth server",
                        "description": "Address of the authorization server. Default: "
                        "https://oauth.bitrix.info.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "ca_bundle": {
                        "label": "CA bundle",
                        "description": "Path, on the workers, of a PEM file with the certificate authority "
                        "of a self-hosted portal.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "verify_tls": {
                        "label": "Verify TLS",
                        "description": "When off, the server's identity is not verified. A CA bundle is "
                        "safer.",
                        "schema": {"type": ["boolean", "null"], "default": True},
                    },
                    "proxy": {
                        "label": "Proxy",
                        "description": "Address of an HTTP proxy, e.g. http://me:secret@proxy.example:3128. "
                        "Default: the environment variables HTTPS_PROXY and NO_PROXY.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "connect_timeout": {
                        "label": "Connect timeout (s)",
                        "description": "Longest time in seconds to establish a connection.",
                        "schema": {"type": ["number", "null"], "minimum": 0.1, "default": 10},
                    },
                    "read_timeout": {
                        "label": "Read timeout (s)",
                        "description": "Longest time in seconds to wait for an answer. The portal itself "
                        "ends a request after 60.",
                        "schema": {"type": ["number", "null"], "minimum": 0.1, "default": 65},
                    },
                    "max_parallel": {
                        "label": "Parallel requests",
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
                        "description": "Allows addresses with http://, which sends credentials unencrypted.",
                        "schema": {"type": ["boolean", "null"], "default": False},
                    },
                    "allowed_hosts": {
                        "label": "Allowed hosts",
                        "description": "Other hosts to which the portal may redirect, separated by commas. "
                        "Hosts of the same Bitrix24 cloud domain need not be listed.",
                        "schema": {"type": ["string", "null"]},
                    },
                },
            },
        ],
        "config": {
            "bitrix24": {
                "description": "Settings of the Bitrix24 provider for a machine, not for one portal.",
                "options": {
                    "pacing_dir": {
                        "description": "Absolute path of the directory in which all processes of a machine "
                        "share the state of the request limits. Default: a directory of the user in the "
                        "system's temporary directory.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/var/lib/airflow/bitrix24",
                        "default": None,
                    },
                    "scratch_path": {
                        "description": "Folder, a path or a URL on any storage that Airflow can open, in "
                        "which exports and loads keep the rows they have read until they have all of them. "
                        "With one that all workers reach, any of them resumes a load. Default: a folder "
                        "_bitrix24 beside the output of an export, and a folder of the user on the worker's "
                        "disk for loads.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/scratch",
                        "default": None,
                    },
                    "pacing_redis_url": {
                        "description": "URL of a Redis server to use instead, for workers on several "
                        "machines behind one IP address (requires the extra 'redis').",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "redis://redis.example:6379/0",
                        "default": None,
                        "sensitive": True,
                    },
                    "report_locations": {
                        "description": "Where Airflow's API server may read the reports of syncs that the "
                        "report tab shows: absolute directories and URLs, separated by commas. Everyone who "
                        "may see a DAG's XComs sees its reports. Default: nowhere; the tab shows the first "
                        "20 failures only.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/var/lib/airflow/reports, s3://aws_default@my-bucket/reports",
                        "default": None,
                    },
                    "retry_timeout": {
                        "description": "Seconds without progress after which a temporary error fails the "
                        "try, so that the task's own retries apply. Waits required by a limit of the "
                        "portal do not count.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "120",
                    },
                    "token_store": {
                        "description": "Where renewed OAuth tokens are stored: 'variable' (a Variable), "
                        "'file:<directory>' (files that only their owner may read), or the dotted path "
                        "of a callable (conn_id, fingerprint) that returns a TokenStore.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "file:/var/lib/airflow/bitrix24",
                        "default": "variable",
                    },
                },
            },
        },
    }
