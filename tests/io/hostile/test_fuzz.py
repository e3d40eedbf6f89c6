"""Damaged files of every kind end in our errors: no crash, no hang, no allocation beyond the rule in `limits`.

``make fuzz`` runs 20,000 cases. See `helpers.fuzz`.
"""

from itertools import count, islice

import pytest
from helpers.fuzz.bombs import BOMBS
from helpers.fuzz.kinds import KINDS
from helpers.fuzz.run import BAD, Worker, run_cases

CASES, SEED = 500, 1


@pytest.fixture(scope="module")
def worker():
    process = Worker()
    yield process
    process.end()


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_claims_much_is_refused_before_it_takes_memory(name, worker):
    outcome = worker.run(f"bomb {name}")
    assert outcome["outcome"] == "refused", outcome


def test_damaged_files_end_in_our_errors(worker):
    quick = (index for index in count() if KINDS[index % len(KINDS)].quick)
    outcomes = list(run_cases(SEED, islice(quick, CASES), worker))
    failures = [outcome for outcome in outcomes if outcome["outcome"] in BAD]
    assert failures == [], f"repeat one with: python -m helpers.fuzz --seed {SEED} --only {failures[0]['index']}"
    # Damage that is noticed at once would test little.
    assert sum(outcome["outcome"] == "read" for outcome in outcomes) > CASES / 10
