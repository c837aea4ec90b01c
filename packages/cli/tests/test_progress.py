"""A log without a terminal gets plain lines."""

import io

import pytest
from rich.console import Console

from shop_cli.progress import ProgressDisplay


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def test_without_a_terminal_there_are_plain_lines_and_none_is_cut(output: io.StringIO) -> None:
    progress = ProgressDisplay(Console(file=output, width=40))
    with progress.step("Stacks", "comparing with what is deployed and still going on in this line") as step:
        for count in range(10):
            step.doing(f"{count} of 10")
        step.done("four stacks")
    first, last = output.getvalue().splitlines()
    assert first == "  ... Stacks       comparing with what is deployed and still going on in this line"
    assert last.startswith("  ✓   Stacks       four stacks (")
    assert "\x1b" not in output.getvalue()


@pytest.mark.parametrize(("error", "word"), [(ValueError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_a_step_that_does_not_end_well_says_so(output: io.StringIO, error: type[BaseException], word: str) -> None:
    progress = ProgressDisplay(Console(file=output))
    with pytest.raises(error), progress.step("Stacks", "deploying"):
        raise error
    assert f"✗   Stacks       {word} after" in output.getvalue()


def test_in_a_terminal_a_step_leaves_one_line(output: io.StringIO) -> None:
    progress = ProgressDisplay(Console(file=output, force_terminal=True, width=80))
    with progress.step("Stacks", "deploying") as step:
        step.doing("1 of 4")
    assert output.getvalue().splitlines()[-1].count("Stacks") >= 1
