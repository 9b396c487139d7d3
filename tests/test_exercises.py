"""The guesses: a wrong kind of guess gets a sentence, never a traceback."""

from __future__ import annotations

import pytest

from helpers.exercises import check_reads_per_request, reveal


@pytest.mark.parametrize("guess", ["many", -1, None, True, [1]])
def test_a_guess_that_is_no_number_is_told_so(guess):
    assert "should be a number" in repr(reveal(guess, 100, "calls"))


def test_a_guess_is_set_beside_the_count():
    assert "and so does the ledger: 100 calls" in repr(reveal(100, 100, "calls"))
    assert "You said 3; the ledger counted 100 calls." in repr(reveal(3, 100, "calls"))


def test_a_handler_that_is_none_or_raises_gets_a_hint(cloud):
    assert "no function" in repr(check_reads_per_request(cloud, None, expected=1))
    assert "raised ZeroDivisionError" in repr(
        check_reads_per_request(cloud, lambda user: 1 / 0, expected=1)
    )
