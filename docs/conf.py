"""Sphinx configuration. Build with ``make docs``."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.environ.setdefault(
    "AIRFLOW_HOME", str(HERE / "_build" / "airflow")
)  # importing Airflow writes its settings

from airflow_provider_b24 import __version__  # noqa: E402

project = "airflow-provider-b24"
author = "The airflow-provider-b24 contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

myst_heading_anchors = 3
myst_url_schemes = ["http", "https", "mailto"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
