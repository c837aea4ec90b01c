"""`shop deploy`: the steps that take a stage from nothing to a working shop. Each may be done again, so whatever has
ended the command, the same command goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import httpx
import typer
from botocore.exceptions import BotoCoreError, ClientError

from shop_cli.deployment import account, database, provider_keys, stacks
from shop_cli.endpoint import is_emulated
from shop_cli.errors import ShopError
from shop_cli.interrupts import Interrupts
from shop_cli.local.build import interpreter
from shop_cli.local.demo import demonstrate
from shop_cli.local.home import CHECKOUT
from shop_cli.operations import guest, storefront
from shop_cli.operations.people.command import invite
from shop_cli.operations.people.user_pool import UserPool
from shop_cli.progress import ProgressDisplay
from shop_cli.stage import check_stage_name
from shop_cli.target import Target


def deploy(
    stage: Annotated[str, typer.Option("--stage", help="Deploy this stage, such as dev or production.")],
    *,
    administrator: Annotated[
        str, typer.Option("--administrator", help="Make this e-mail address the first administrator.")
    ] = "",
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Buy something with a test card in the end.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Deploy without asking.")] = False,
) -> None:
    """Take a stage on AWS from nothing to a working shop, or bring it up to date.

    The payment provider's keys come from SHOP_PAYMENT_API_KEY and SHOP_PAYMENT_WEBHOOK_SECRET, from an earlier
    deployment, or from this terminal. Interrupted or failed, the same command goes on.
    """
    check_stage_name(stage)
    target, interrupts = Target.of(stage), Interrupts()
    again = f"./shop deploy --stage {stage}"
    with interrupts.installed():
        try:
            Deployment(target, interrupts, ask=_ask_secret if sys.stdin.isatty() else None).run(
                administrator, is_asked=not yes, with_demo=demo
            )
        except (KeyboardInterrupt, typer.Abort):
            typer.echo(f"\nInterrupted. What AWS has begun goes on there. To go on: {again}", err=True)
            raise ShopError("", 130) from None
        except (ShopError, BotoCoreError, ClientError, httpx.HTTPError) as error:
            raise ShopError(f"{error}\nWhat is done stays. To go on: {again}") from error


@dataclass
class Deployment:
    target: Target
    interrupts: Interrupts
    progress: ProgressDisplay = field(default_factory=ProgressDisplay)
    ask: Callable[[str], str] | None = None
    """Nobody can be asked without a terminal."""
    todo: list[str] = field(default_factory=list)
    """Only a person can do these. They are shown in the end."""

    def run(self, administrator: str, *, is_asked: bool, with_demo: bool) -> None:
        self._look_at_the_account()
        if is_asked:
            self._confirm()
        self._store_keys()
        with self.progress.step("Stacks", "comparing with what is deployed") as step:
            stacks.deploy(self.target, self.interrupts, step)
            step.done("four stacks")
        with self.progress.step("Database", "making the roles") as step:
            database.make_roles(self.target.client("rds-data"), self.target.outputs, step.doing)
            step.done("roles shop_owner, shop_dispatch and shop_query")
        with self.progress.step("Read model", "migrating") as step:
            step.done(f"at {self.target.function('migrate').invoke({}).get('current', '')}")
        self._make_an_administrator(administrator)
        with self.progress.step("Storefront", "building") as step:
            storefront.build()
            step.doing("uploading")
            step.done(storefront.release(self.target))
        if with_demo and guest.takes_real_money(self.target):
            self.progress.line("  The provider's key is for real money, so nothing was bought to try it")
        elif with_demo:
            demonstrate(self.target, self.progress)
        self._sum_up()

    def _look_at_the_account(self) -> None:
        if not (CHECKOUT / "node_modules" / ".bin" / "osls-compose").exists():
            raise ShopError("The deploy tools are missing: run make setup")
        if not is_emulated(self.target.stage):
            interpreter("3.13")  # the artifacts are compiled with it, a quarter of an hour later
        with self.progress.step("Account", "asking AWS") as step:
            found = account.identify(self.target)
            step.done(f"{found.number} in {found.region}, as {found.caller}")
        with self.progress.step("Limits", "asking Lambda") as step:
            step.done(account.check_concurrency(self.target))

    def _confirm(self) -> None:
        question = f"Deploy stage {self.target.stage} to this account?"
        if self.ask is None:
            raise ShopError(f"{question} Without a terminal, say so with --yes")
        typer.confirm(question, abort=True)

    def _store_keys(self) -> None:
        outcomes = list(provider_keys.store(self.target.client("ssm"), self.target.stage, os.environ, self.ask))
        self.progress.line(f"  Payments     {', '.join(outcomes)}")
        if outcomes[-1].startswith("no "):
            self.todo.append(
                "Register the webhook at the payment provider, with the events that docs/deploy.md lists, and run "
                "this command again with its secret. Until then, the sweep settles what the webhook would tell"
            )

    def _make_an_administrator(self, email: str) -> None:
        there = [person.email for person in UserPool.of(self.target).administrators()]
        if not there and not email and self.ask is not None:
            email = str(typer.prompt("E-mail address of the first administrator (empty for none)", default="")).strip()
        if email and email not in there:
            self.todo.append(invite(self.target, email))
            there.append(f"{email} is asked to become one")
        if not there:
            self.todo.append(f"Make an administrator: ./shop people add EMAIL --stage {self.target.stage}")
        self.progress.line(f"  People       {', '.join(there) or 'nobody administers this shop yet'}")

    def _sum_up(self) -> None:
        outputs, stage = self.target.outputs, self.target.stage
        api = outputs["HttpApiUrl"]
        self.progress.line(f"\n[bold]Stage {stage} is deployed.[/bold]")
        for name, address in {
            "Shop": outputs["WebUrl"],
            "API": api,
            "Docs": f"{api}/docs",
            "Webhook": f"{api}/payments/webhook",
            "Alarms": f"{outputs['AlarmTopicArn']}: subscribe to it with aws sns subscribe",
            "Watch": f"./shop top --stage {stage}",
        }.items():
            self.progress.line(f"  {name:<8} {address}")
        for number, line in enumerate(self.todo, start=1):
            self.progress.line(f"  {number}. {line}")


def _ask_secret(question: str) -> str:
    return str(typer.prompt(question, hide_input=True, default="", show_default=False))
