"""Rows from and to files: JSON lines and CSV, plain or gzip. Knows neither Bitrix24 nor Airflow."""
