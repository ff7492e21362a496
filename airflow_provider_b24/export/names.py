"""Names of the files of an export that is cut into several."""

from __future__ import annotations

from airflow_provider_b24.files.paths import StoragePath


def numbered(path: StoragePath, number: int) -> StoragePath:
    """Return the path of one file: ``deals-00001.csv`` for the first one of ``deals.csv``."""
    stem, suffix = _split_name(path.name)
    return path.with_name(f"{stem}-{number:05d}{suffix}")


def remove_later(path: StoragePath, count: int) -> None:
    """Remove the files that follow without a gap: an earlier and longer export left them."""
    number = count + 1
    while (later := numbered(path, number)).exists():
        later.unlink()
        number += 1


def _split_name(name: str) -> tuple[str, str]:
    """Split ``deals.csv.gz`` into ``deals`` and ``.csv.gz``."""
    stem, dot, suffix = name.removesuffix(".gz").rpartition(".")
    zipped = ".gz" if name.endswith(".gz") else ""
    return (stem, f".{suffix}{zipped}") if dot and stem else (name.removesuffix(".gz"), zipped)
