"""Each deliberate bug makes its invariant fire, and no other one; and no invariant is without a bug."""

import pytest

from shop_simulation import oracle
from shop_simulation.bugs import BUGS, Bug, fired

OWED = {2, 11, 13, 14}
"""Only the sweep, which is not built yet, can keep these."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.mistake)
def test_a_planted_bug_is_found(bug: Bug, capsys: pytest.CaptureFixture[str]) -> None:
    broken = fired(bug)
    assert broken is not None, f"nobody has noticed that the shop {bug.mistake}"
    with capsys.disabled():
        print(f"\n  invariant {broken.found[0].invariant:2} fires where the shop {bug.mistake}", end="")
    assert {violation.invariant for violation in broken.found} == {bug.invariant}, str(broken)


def test_every_invariant_can_be_broken() -> None:
    assert {bug.invariant for bug in BUGS} == {*range(1, 15)} - OWED
    assert {*oracle.SAFETY, *oracle.LIVENESS} == {*range(15)}
