"""Moved to ``operators.task_run``; kept while ``operators.export`` and ``plugins.api`` import it here."""

from airflow_provider_b24.operators.task_run import REPORT_KEY, push_timeline

__all__ = ["REPORT_KEY", "push_timeline"]
