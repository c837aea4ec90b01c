"""`shop status`: describes the shop on this machine for people and, as JSON, for scripts."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from shop_cli.errors import NotRunningError
from shop_cli.local import deploy, emulator, environment, identity, postgres, processes, seed, services
from shop_cli.local.home import Home, ProcessRecord, RecordedRun
from shop_cli.output import JsonOption, print_json
from shop_cli.progress import ProgressDisplay


def status(as_json: JsonOption = False) -> None:
    """Show where everything is. With --json it prints the secrets and fresh tokens too.

    The exit code is 3 when the shop does not run, or one of its processes has ended.
    """
    progress = ProgressDisplay()
    try:
        home, run = running_shop()
    except NotRunningError:
        broken = Home.current().run()
        if not as_json and broken is not None and is_broken(broken):
            list_processes(broken, progress)
        raise
    if as_json:
        print_json(values(home, run))
        return
    progress.line("[bold]The shop is running.[/bold]")
    addresses(home, run, progress)
    list_processes(run, progress)


def list_processes(run: RecordedRun, progress: ProgressDisplay) -> None:
    for record in run.processes:
        state = "running" if processes.find(record) else "[red]ended[/red]"
        progress.line(f"  {record.name:<8} pid {record.pid}, port {record.port}, {state}, log {escape(record.log)}")


def running_shop(*, aws: bool = False) -> tuple[Home, RecordedRun]:
    home = Home.current()
    run = home.run()
    if run is not None and is_broken(run):
        names = " and ".join(record.name for record in ended(run))
        raise NotRunningError(f"Of the shop, {names} has ended: ./shop up starts it again")
    if run is None or not is_running(run):
        raise NotRunningError
    if aws and not run.aws:
        raise NotRunningError("The shop runs without AWS: ./shop down, then ./shop up")
    return home, run


def is_running(run: RecordedRun) -> bool:
    return _was_started(run) and not ended(run)


def is_broken(run: RecordedRun) -> bool:
    """Some of its processes have ended, and others run."""
    return _was_started(run) and 0 < len(ended(run)) < len(run.processes)


def ended(run: RecordedRun) -> list[ProcessRecord]:
    return [record for record in run.processes if processes.find(record) is None]


def _was_started(run: RecordedRun) -> bool:
    return run.ready and (run.detached or processes.find(run.supervisor) is not None)


def values(home: Home, run: RecordedRun) -> dict[str, Any]:
    """Returns everything that a script needs, tokens freshly signed. Keys without a value are null, never absent."""
    state = home.state()
    found: dict[str, Any] = dict.fromkeys(KEYS)
    found["database_url"] = postgres.role_url(state, "shop_owner")
    if run.aws:
        platform = deploy.outputs(state)
        found |= {
            "api_url": seed.api_url(state),
            "web_url": platform["WebUrl"],
            "aws_endpoint_url": emulator.endpoint_url(state),
            **{name.lower(): value for name, value in emulator.credentials(state).items()},
            "table_name": platform["TableName"],
            "stream_name": platform["StreamName"],
            "bucket_name": platform["BucketName"],
            "payment_url": environment.payment_url(state),
            "payment_api_key": services.payment_api_key(state),
            "xray_url": environment.xray_url(state),
            "admin_token": identity.token(state, "administrator"),
            "customer_token": identity.token(state, "customer"),
        }
    return found


KEYS = (
    *("api_url", "web_url", "database_url", "aws_endpoint_url", "table_name", "stream_name", "bucket_name"),
    *("payment_url", "payment_api_key", "xray_url", "admin_token", "customer_token"),
    *("aws_access_key_id", "aws_secret_access_key"),
)


def addresses(home: Home, run: RecordedRun, progress: ProgressDisplay) -> None:
    state = home.state()
    if not run.aws:
        example = "npx serverless invoke local -f api --stage offline --path events/list-products.json"
        progress.line("  Without AWS: only PostgreSQL, with its schema")
        progress.line('  Try      eval "$(./shop env)" && psql')
        progress.line(f"           cd functions/shop-query && {example}")
        return
    api = seed.api_url(state)
    lines = {
        "Shop": deploy.outputs(state)["WebUrl"],
        "API": api,
        "Docs": f"{api}/docs",
        "AWS": emulator.endpoint_url(state),
        "Payments": environment.payment_url(state),
        "X-Ray": environment.xray_url(state),
        "psql": 'eval "$(./shop env)" && psql',
        "Try": f"./shop demo\n           curl {api}/products",
    }
    for name, text in lines.items():
        progress.line(f"  {name:<8} {text}")
