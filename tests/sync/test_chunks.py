"""How many records are read before what differs is written."""

from airflow_provider_b24.sync.chunks import CHUNK_RECORDS, portion


def portions(differing, parallel=4):
    """The portions in which one chunk is read, where one record in so many differs, behind 10,000 others."""
    sizes, seen = [], 10_000
    while size := portion(
        sum(sizes), sum(sizes) // differing, seen + sum(sizes), (seen + sum(sizes)) // differing, parallel
    ):
        sizes.append(size)
    return sizes


def test_a_chunk_grows_with_the_share_of_records_that_are_unchanged():
    assert portion(0, 0, 0, 0, 4) == 200
    assert portions(differing=50) == [CHUNK_RECORDS]
    assert portions(differing=10_000) == [CHUNK_RECORDS]
    assert portions(differing=1) == [400]
    assert portions(differing=2) == [800]
    assert portions(differing=1, parallel=16) == [1600]
