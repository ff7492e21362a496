"""Read arbitrary bytes as a portal's answers, guided by coverage: `make fuzz`, ten minutes."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["airflow_provider_b24.rest"]):
    from tests.fuzz.target import ask

CORPUS = Path(__file__).parent / "corpus"
MINUTES = 10
LIMITS = ["-max_len=20000", "-timeout=20", "-rss_limit_mb=1024", "-len_control=0"]


@atheris.instrument_func
def one_input(data: bytes) -> None:
    if len(data) > 2:
        ask(data)


if __name__ == "__main__":
    found, minutes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else MINUTES
    Path(found).mkdir(parents=True, exist_ok=True)
    limits = [
        *LIMITS,
        f"-artifact_prefix={found}/",
        f"-max_total_time={minutes * 60:.0f}",
        f"-dict={CORPUS.parent / 'words.dict'}",
    ]
    atheris.Setup([sys.argv[0], *limits, found, str(CORPUS)], one_input)
    atheris.Fuzz()
