"""Wanted bindings in; a plan, writes and a report out. Knows no Airflow: paths and stores are handed in."""
