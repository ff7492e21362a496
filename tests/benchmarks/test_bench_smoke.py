"""The benchmark lab itself works: one small scenario from end to end, and the files that it writes."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.airflow
@pytest.mark.slow
def test_a_scenario_is_measured_and_its_targets_are_judged():
    pytest.importorskip("airflow", reason="needs Airflow")
    command = [sys.executable, HERE / "run.py", "--quick", "--only", "ours", "--scenario", "diff"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "met  batches that read: 20, at most 200" in done.stdout
    assert "| diff of 10,000 contacts, 2 % changed |" in done.stdout


def test_every_peer_is_pinned():
    pins = {path.stem: path.read_text().splitlines() for path in (HERE / "peers").glob("*.txt")}

    assert pins.keys() == {"fast-bitrix24", "b24pysdk", "b24api"}
    for peer, lines in pins.items():
        assert all("==" in line and " " not in line for line in lines)
        assert any(line.startswith(f"{peer}==") for line in lines)
