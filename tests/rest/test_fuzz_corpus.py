"""Answers that `make fuzz` has found to be read in different ways."""

from pathlib import Path

import pytest

from tests.fuzz.target import ask

CORPUS = sorted((Path(__file__).parents[1] / "fuzz" / "corpus").iterdir())


@pytest.mark.parametrize("answer", CORPUS, ids=lambda file: file.name)
def test_an_answer_is_read_or_an_error_of_ours(answer):
    ask(answer.read_bytes())
