"""What the calls mean in the CRM. Knows neither Airflow nor HTTP."""
