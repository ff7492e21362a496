"""Apache Airflow provider for the Bitrix24 CRM."""

__version__ = "0.1.0"

DEFAULT_CONN_ID = "bitrix24_default"  # stands here because importing the hook would slow down parsing a DAG
