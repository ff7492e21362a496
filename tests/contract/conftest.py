import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "airflow_provider_b24"


@pytest.fixture
def fresh_python() -> Callable[..., Any]:
    """Run code in a new interpreter; what it assigns to `answer` comes back."""

    def run(code: str) -> Any:
        code = f"{code}\nimport json\nprint('answer:' + json.dumps(answer))"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.rpartition("answer:")[2])

    return run


def module_names() -> list[str]:
    """Every module of the package, by its dotted name."""
    files = sorted(PACKAGE.rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names if not name.endswith(".__main__")]


def importable_modules() -> list[str]:
    """Those that the installed Airflow can import."""
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_3_PLUS

    missing: set[str] = set()
    if not AIRFLOW_V_3_3_PLUS:
        missing |= {"airflow_provider_b24.operators.retry_policy"}  # retry policies
    if not AIRFLOW_V_3_0_PLUS:
        missing |= {  # asset watchers and the API server
            "airflow_provider_b24.plugins.api",
            "airflow_provider_b24.triggers.changes",
            "airflow_provider_b24.triggers.event",
        }
    return [name for name in module_names() if name not in missing]
