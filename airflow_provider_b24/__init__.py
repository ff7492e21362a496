"""Apache Airflow provider for the Bitrix24 CRM."""

__version__ = "0.1.0"
