"""Lists of the portal as files: columns with types, formats, and exports that resume. Knows no Airflow."""
