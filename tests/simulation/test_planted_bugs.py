"""Each deliberate bug makes its invariant fire, and no other one; and no invariant is without a bug."""

import pytest

from shop_simulation.bugs import BUGS
from shop_simulation.liveness import LIVENESS
from shop_simulation.planting import Bug, fired
from shop_simulation.safety import SAFETY


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.mistake)
def test_a_planted_bug_is_found(bug: Bug, capsys: pytest.CaptureFixture[str]) -> None:
    broken = fired(bug)
    assert broken is not None, f"nobody has noticed that the shop {bug.mistake}"
    with capsys.disabled():
        print(f"\n  invariant {bug.invariant:2} fires where the shop {bug.mistake}", end="")
    assert {violation.invariant for violation in broken.found} == {bug.invariant, *bug.breaks_too}, str(broken)


def test_every_invariant_can_be_broken() -> None:
    assert {bug.invariant for bug in BUGS} == {*SAFETY, *LIVENESS} - {0}
    assert {*SAFETY, *LIVENESS} == set(range(19))
