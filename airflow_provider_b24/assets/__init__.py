"""Airflow assets in Bitrix24."""
