"""How many records a chunk holds."""

from __future__ import annotations

from airflow_provider_b24.rest.calls import MAX_BATCH

CHUNK_RECORDS = 2_500
CHUNK_BATCHES = 2  # of writes in a chunk for each request in flight: what is read again after a stop


def chunk_writes(parallel: int) -> int:
    """How many writes a chunk should hold."""
    return CHUNK_BATCHES * parallel * MAX_BATCH


def portion(records: int, pending: int, seen: int, differed: int, parallel: int) -> int:
    """
    Return how many records to read next for a chunk; 0 if it is large enough.

    A chunk is closed at ``CHUNK_RECORDS`` records, or when it has writes for two batches per request in
    flight: these records are read again if the run stops before they are written.

    :param records: in the chunk so far.
    :param pending: writes among them.
    :param seen: records read in the run.
    :param differed: those of them that differed.
    """
    least = parallel * MAX_BATCH
    room = CHUNK_RECORDS - records
    if not seen:
        return min(least, room)
    wanted = chunk_writes(parallel) - pending
    expected = wanted * seen // max(differed, 1) // MAX_BATCH * MAX_BATCH
    if records and expected < least:
        return 0
    return max(0, min(max(expected, least), room))
