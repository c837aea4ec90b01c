"""`shop up`: starts the local run, watches over it, and stops it. Whatever happens then, no process stays behind."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from shop_cli.errors import ShopError
from shop_cli.interrupts import Interrupts
from shop_cli.local import agreement, deploy, emulator, environment, identity, postgres, processes, seed, services
from shop_cli.local.down import clean_up_after_crash, expect_saved, stop_order
from shop_cli.local.home import Home, ProcessRecord, RecordedRun, State
from shop_cli.local.ports import choose_ports, is_free
from shop_cli.local.status import addresses, ended, is_broken, is_running
from shop_cli.operations import storefront
from shop_cli.progress import ProgressDisplay
from shop_cli.target import Target

START_ATTEMPTS = 3
START_SECONDS = 60.0
LOG_LINES = 25


class ProcessEndedError(ShopError):
    def __init__(self, record: ProcessRecord, exit_code: str) -> None:
        super().__init__(f"{record.name} has ended with {exit_code}. The end of {record.log}:\n{tail(record)}")
        self.record = record


def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return as soon as the shop runs, and do not wait for Ctrl-C.")
    ] = False,
    no_aws: Annotated[
        bool, typer.Option("--no-aws", help="Start only PostgreSQL with its schema, and no AWS.")
    ] = False,
) -> None:
    """Start the shop on this machine: local AWS, PostgreSQL, mock payments and traces; deploy, migrate, seed.

    When one of its processes has ended, that one alone is started again.
    Everything is kept in .shop (or in the folder that SHOP_HOME names) and is there again at the next start.
    With SHOP_DATABASE_URL, an administrator's URL, that PostgreSQL (16 or newer) is used and none is started.
    With SHOP_ALLOWED_ORIGINS, such as http://localhost:5173, pages of these origins may call the API and the user pool.
    """
    run_shop(Home.current(), ProgressDisplay(), detach=detach, aws=not no_aws)


def run_shop(home: Home, progress: ProgressDisplay, *, detach: bool, aws: bool) -> None:
    interrupts = Interrupts()
    local_run = LocalRun(home, progress, interrupts, detached=detach, aws=aws)
    with interrupts.installed():
        try:
            with home.lock(lambda: progress.line("Another shop command is at work on this shop: waiting for it")):
                run = home.run()
                if run is not None and is_running(run):
                    local_run.disown()
                    if aws and not run.aws:
                        raise ShopError("The shop runs without AWS: ./shop down, then ./shop up")
                    progress.line("[bold]The shop runs already.[/bold]")
                    addresses(home, run, progress)
                    progress.line("  Stop     ./shop down")
                    return
                if run is not None and run.detached and is_broken(run):
                    local_run.take_over(run)
                else:
                    clean_up_after_crash(home, progress)
                local_run.start(is_orderly=run is None and agreement.was_orderly(home))
            if detach:
                local_run.disown()
            else:
                local_run.watch()
        except KeyboardInterrupt:
            progress.line("\nStopping the shop")
            # 130 is what a shell expects of a command that Ctrl-C has ended before it was done.
            exit_code = 0 if local_run.ready else 130
            raise ShopError("", exit_code) from None
        finally:
            interrupts.ignore()
            local_run.stop()


def tail(record: ProcessRecord, lines: int = LOG_LINES) -> str:
    try:
        content = Path(record.log).read_text(errors="replace").strip().splitlines()
    except OSError as error:
        return str(error)
    return "\n".join(content[-lines:]) or "(it is empty)"


class LocalRun:
    def __init__(
        self, home: Home, progress: ProgressDisplay, interrupts: Interrupts, *, detached: bool, aws: bool
    ) -> None:
        self._home = home
        self._progress = progress
        self._interrupts = interrupts
        self._run = RecordedRun(processes.this_process("supervisor"), detached=detached, aws=aws)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._owned = True

    @property
    def ready(self) -> bool:
        return self._run.ready

    def disown(self) -> None:
        """The processes outlive this one."""
        self._owned = False

    def take_over(self, run: RecordedRun) -> None:
        """What still runs of a broken shop goes on, and only what has ended is started again."""
        gone = ended(run)
        self._run = dataclasses.replace(
            self._run, aws=run.aws, processes=tuple(record for record in run.processes if record not in gone)
        )
        names = " and ".join(record.name for record in gone)
        with self._progress.step("Mend", f"{names} had ended") as step:
            processes.stop_orphans(self._home, self._run.processes)
            step.done(f"{names} had ended: starting it again, the rest goes on")

    def start(self, *, is_orderly: bool) -> None:
        started, age = time.monotonic(), agreement.age(self._home) if self._run.aws else ""
        self._home.close_to_others()
        state = self._home.state()
        state.database_url = os.environ.get("SHOP_DATABASE_URL", "")
        self._record()
        self._start_processes(state)
        with self._progress.step("Database", "making the database and its roles") as step:
            postgres.ensure_database(state)
            self._home.save(state)
            step.done(f"{postgres.DATABASE}, with the roles {', '.join(postgres.ROLES)}")
        if self._run.aws:
            self._set_up_aws(state)
        else:
            with self._progress.step("Read model", "migrating, with no AWS") as step:
                deploy.migrate_without_aws(self._home, state)
                step.done("migrated")
        if age:
            self._progress.line(
                f"  Data         {age}; the shop {'was stopped in order' if is_orderly else 'broke off'}"
            )
            if not is_orderly:
                agreement.ensure(state, self._progress)
        self._run = dataclasses.replace(self._run, ready=True)
        self._record()
        seconds = time.monotonic() - started
        self._progress.line(f"\n[bold]The shop is running[/bold] (started in {seconds:.0f} s).")
        addresses(self._home, self._run, self._progress)
        stop = "./shop down" if self._run.detached else "Ctrl-C, or ./shop down elsewhere"
        self._progress.line(f"  Stop     {stop}; the data in {escape(str(self._home.path))} stays")

    def watch(self) -> None:
        """Returns never: ends by a signal, or by the error that one of the processes has ended."""
        while True:
            self._check()
            time.sleep(0.5)

    def stop(self) -> None:
        if not self._owned:
            return
        self._owned = False
        recorded = self._home.run()
        if recorded is None or recorded.supervisor != self._run.supervisor:
            return
        was_saving = self._run.ready and self._runs("aws")
        if self._run.processes or self._children:
            with self._progress.step("Shop", "stopping") as step:
                processes.stop(self._home, stop_order(self._run))
                step.done("stopped")
        for child in self._children.values():
            child.poll()
        self._home.record(None)
        if was_saving:
            expect_saved(self._home)

    def _start_processes(self, state: State) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            state.ports = choose_ports(state.ports, self._port_names(state))
            self._home.save(state)
            try:
                self._start_and_wait(state)
            except ProcessEndedError as error:
                port = error.record.port
                # Somebody else was quicker to take the port that we had found free.
                if port is None or is_free(port) or attempt == START_ATTEMPTS:
                    raise
                self._progress.line(f"Port {port} was taken in the meantime: trying another one")
                processes.stop(self._home, stop_order(self._run))
                self._run = dataclasses.replace(self._run, processes=())
            else:
                return

    def _start_and_wait(self, state: State) -> None:
        home, own = self._home, services.environment()
        servers: dict[str, Callable[[], tuple[list[str], dict[str, str]]]] = {
            "aws": lambda: (emulator.server_command(state), emulator.server_environment(home, state)),
            "payment": lambda: (services.payment_command(home, state), own),
            "xray": lambda: (services.xray_command(home, state), own),
        }
        for name, of_server in servers.items() if self._run.aws else ():
            # Making these changes the folder, which a server that runs already uses.
            if not self._runs(name):
                self._spawn(name, *of_server(), state)
        if not state.database_url:
            with self._progress.step("PostgreSQL", "starting") as step:
                if not self._runs("postgres"):
                    postgres.initialise(home, state)
                    command, user = postgres.server_command(home, state), postgres.account()
                    self._spawn("postgres", command, postgres.server_environment(), state, cwd=Path("/"), user=user)
                self._wait("postgres", lambda: postgres.is_ready(state))
                step.done(f"127.0.0.1:{state.ports['postgres']}")
        elif not postgres.is_ready(state):
            raise ShopError(
                "PostgreSQL does not answer at SHOP_DATABASE_URL: correct it, or unset it to get one started"
            )
        if self._run.aws:
            payment, xray = environment.payment_url(state), environment.xray_url(state)
            for name, title, url, is_ready in (
                ("payment", "Payments", payment, lambda: emulator.answers(payment)),
                ("aws", "AWS", emulator.endpoint_url(state), lambda: emulator.is_ready(state)),
                ("xray", "X-Ray", xray, lambda: emulator.answers(xray)),
            ):
                with self._progress.step(title, "starting") as step:
                    self._wait(name, is_ready)
                    step.done(url)

    def _set_up_aws(self, state: State) -> None:
        environment.write_files(self._home, state)
        services.store_payment_secrets(state)
        with self._progress.step("Stacks", "comparing with what is deployed") as step:
            deploy.ensure_deployed(self._home, state, self._interrupts, step)
        services.write_webhook_url(self._home, seed.api_url(state))
        with self._progress.step("Read model", "migrating") as step:
            step.done(f"at {deploy.migrate(state)}")
        with self._progress.step("People", "making a customer and an administrator") as step:
            identity.ensure_people(state)
            self._home.save(state)
            step.done(" and ".join(identity.PEOPLE))
        with self._progress.step("Storefront", "building") as step:
            storefront.build()
            step.doing("uploading")
            step.done(storefront.release(Target.here(state)))
        with self._progress.step("Catalogue", "listing products through the API") as step:
            seed.seed(state, identity.token(state, "administrator"), step)
            self._home.save(state)

    def _port_names(self, state: State) -> list[str]:
        ports = {} if state.database_url else {"postgres": "postgres"}
        if self._run.aws:
            ports |= {"aws": "aws", "payment": "payment", "xray": "xray", "xray_udp": "xray"}
        return [port for port, name in ports.items() if not self._runs(name)]

    def _runs(self, name: str) -> bool:
        return any(record.name == name and processes.find(record) for record in self._run.processes)

    def _spawn(
        self,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        state: State,
        *,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        with self._interrupts.shielded():
            child, record = processes.spawn(
                self._home, name, command, variables, port=state.ports[name], cwd=cwd, user=user
            )
            self._children[name] = child
            self._run = dataclasses.replace(self._run, processes=(*self._run.processes, record))
            self._record()

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            self._check()
            if time.monotonic() > deadline:
                record = next(each for each in self._run.processes if each.name == name)
                raise ShopError(
                    f"{name} is not ready after {START_SECONDS:.0f} s. The end of {record.log}:\n{tail(record)}"
                )
            time.sleep(0.05)
        # What answers must be ours, not a stranger on its port.
        self._check()

    def _check(self) -> None:
        for record in self._run.processes:
            child = self._children.get(record.name)
            # What was taken over is no child of ours, so that nobody tells us its exit code.
            if child is not None and (returncode := child.poll()) is not None:
                raise ProcessEndedError(record, f"exit code {returncode}")
            if child is None and processes.find(record) is None:
                raise ProcessEndedError(record, "an exit code that is not known")

    def _record(self) -> None:
        self._home.record(self._run)
