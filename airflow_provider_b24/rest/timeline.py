"""Moved to ``runs.meter``; kept until ``export.job`` imports it from there."""

from airflow_provider_b24.runs.meter import MOST_POINTS, Meter, add_point

__all__ = ["MOST_POINTS", "Meter", "add_point"]
