"""Commands: ``airflow bitrix24 ...``; before Airflow 3.2 ``python -m airflow_provider_b24.cli ...``."""
