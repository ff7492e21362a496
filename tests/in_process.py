"""Make `dag.test()` fast and its log readable on every supported Airflow version."""

import contextlib
import functools
import sys

# Where Airflow 2, 3.0, and later versions have theirs.
MASKERS = (
    "airflow.utils.log.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow._shared.secrets_masker.secrets_masker",
    "airflow.sdk._shared.secrets_masker.secrets_masker",
)


def tame_structlog(level: int) -> None:
    """Airflow 3.0 does not configure structlog, so it logs everything, including local variables."""
    with contextlib.suppress(ImportError):  # Airflow 2 has no structlog
        import structlog

        if not structlog.is_configured():
            dev = structlog.dev
            to_text = dev.ConsoleRenderer(colors=False, exception_formatter=dev.plain_traceback)
            structlog.configure(
                processors=[structlog.processors.add_log_level, dev.set_exc_info, to_text],
                wrapper_class=structlog.make_filtering_bound_logger(level),
            )


def share_api_server() -> None:
    """Airflow 3.0 starts an API server thread for each in-process task and never stops it."""
    with contextlib.suppress(ImportError):  # Airflow 2 has none
        from airflow.sdk.execution_time import supervisor

        supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)


def forget_masked_secrets() -> None:
    """Airflow compiles the pattern of all secrets anew for each, so those of earlier tests make it slow."""
    for name in MASKERS:
        if module := sys.modules.get(name):
            masker = module._secrets_masker()
            masker.patterns.clear()
            masker.replacer = None
