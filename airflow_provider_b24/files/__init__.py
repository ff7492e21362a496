"""Rows from files and to files. Knows neither Airflow nor Bitrix24."""
