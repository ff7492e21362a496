"""What Airflow's UI shows of a task of this provider."""
