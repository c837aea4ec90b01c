"""Finds the shop on this machine for commands that need it."""

from shop_cli.errors import NotRunningError
from shop_cli.local import up as local_run
from shop_cli.local.home import Home, RecordedRun


def running_shop(*, aws: bool = False) -> tuple[Home, RecordedRun]:
    home = Home.current()
    run = home.run()
    if run is None or not local_run.is_running(run):
        raise NotRunningError
    if aws and not run.aws:
        raise NotRunningError("The shop runs without AWS: ./shop down, then ./shop up")
    return home, run
