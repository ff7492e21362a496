"""Bitrix24's REST protocol. Knows neither Airflow nor the CRM."""
