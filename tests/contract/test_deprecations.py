"""Our modules use nothing that the installed Airflow, or Python, is about to take away."""

import pytest

from tests.contract.conftest import importable_modules

IMPORT_ALL = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name in {names!r}:
        __import__(name)
answer = [
    f"{{warning.filename}}:{{warning.lineno}}: {{warning.message}}"
    for warning in caught
    if "airflow_provider_b24" in warning.filename
    and issubclass(warning.category, (DeprecationWarning, PendingDeprecationWarning, FutureWarning))
]
"""


def test_importing_every_module_warns_of_nothing(fresh_python):
    pytest.importorskip("airflow", reason="needs Airflow")
    assert fresh_python(IMPORT_ALL.format(names=importable_modules())) == []
