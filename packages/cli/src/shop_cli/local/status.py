"""Describes the shop for people and, as JSON, for scripts."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from shop_cli.local import deploy, emulator, environment, identity, postgres, processes, seed
from shop_cli.local import services as local_services
from shop_cli.local.home import Home, RecordedRun
from shop_cli.progress import ProgressDisplay


def status(home: Home, run: RecordedRun) -> dict[str, Any]:
    """Everything that a script needs, tokens freshly signed. Keys without a value are null, never absent."""
    state = home.state()
    values: dict[str, Any] = dict.fromkeys(STATUS_KEYS)
    values["database_url"] = postgres.role_url(state, "shop_owner")
    if run.aws:
        platform = deploy.outputs(state)
        values |= {
            "api_url": seed.api_url(state),
            "aws_endpoint_url": emulator.endpoint_url(state),
            "table_name": platform["TableName"],
            "stream_name": platform["StreamName"],
            "bucket_name": platform["BucketName"],
            "payment_url": environment.payment_url(state),
            "payment_api_key": local_services.payment_api_key(state),
            "xray_url": environment.xray_url(state),
            "admin_token": identity.token(state, "administrator"),
            "customer_token": identity.token(state, "customer"),
        }
    return values


STATUS_KEYS = (
    *("api_url", "web_url", "database_url", "aws_endpoint_url", "table_name", "stream_name", "bucket_name"),
    *("payment_url", "payment_api_key", "xray_url", "admin_token", "customer_token"),
)


def started(home: Home, run: RecordedRun, progress: ProgressDisplay, seconds: float) -> None:
    progress.line(f"\n[bold]The shop is running[/bold] (started in {seconds:.0f} s).")
    _addresses(home, run, progress)
    stop = "./shop down" if run.detached else "Ctrl-C, or ./shop down elsewhere"
    progress.line(f"  Stop     {stop}; the data in {escape(str(home.path))} stays")


def already_running(home: Home, run: RecordedRun, progress: ProgressDisplay) -> None:
    progress.line("[bold]The shop runs already.[/bold]")
    _addresses(home, run, progress)
    progress.line("  Stop     ./shop down")


def running(home: Home, run: RecordedRun, progress: ProgressDisplay) -> None:
    progress.line("[bold]The shop is running.[/bold]")
    _addresses(home, run, progress)
    for record in run.processes:
        state = "running" if processes.find(record) else "[red]ended[/red]"
        progress.line(f"  {record.name:<8} pid {record.pid}, port {record.port}, {state}, log {escape(record.log)}")


def _addresses(home: Home, run: RecordedRun, progress: ProgressDisplay) -> None:
    state = home.state()
    if not run.aws:
        example = "npx serverless invoke local -f api --stage offline --path events/list-products.json"
        progress.line("  Without AWS: only PostgreSQL, with its schema")
        progress.line('  Try      eval "$(./shop env)" && psql')
        progress.line(f"           cd functions/shop-query && {example}")
        return
    api = seed.api_url(state)
    progress.line(f"  API      {api}")
    progress.line(f"  Docs     {api}/docs")
    progress.line(f"  AWS      {emulator.endpoint_url(state)}")
    progress.line(f"  Payments {environment.payment_url(state)}")
    progress.line(f"  X-Ray    {environment.xray_url(state)}")
    progress.line('  psql     eval "$(./shop env)" && psql')
    progress.line("  Try      ./shop demo")
    progress.line(f"           curl {api}/products")
