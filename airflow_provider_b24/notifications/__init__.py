"""Airflow notifiers for Bitrix24."""
