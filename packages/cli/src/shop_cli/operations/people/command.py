"""`shop people` says who administers a stage's shop. Customers sign up by themselves."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from shop_cli.errors import ShopError
from shop_cli.operations.people import totp
from shop_cli.operations.people.user_pool import UserPool
from shop_cli.output import JsonOption, print_json, table
from shop_cli.progress import ProgressDisplay
from shop_cli.target import StageOption, Target

CODES_MAX: Final = 3

EmailArgument = Annotated[str, typer.Argument(help="The person's e-mail address, by which they sign in.")]

app = typer.Typer(help="List, add and remove administrators.", no_args_is_help=True)


@app.command("list")
def list_administrators(stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Show who is in the group of administrators, and whether they have the second factor that it needs."""
    found = sorted(UserPool.of(Target.of(stage)).administrators(), key=lambda person: person.email)
    if as_json:
        print_json([vars(person) for person in found])
        return
    columns = ["address", "status", "enabled", "second factor"]
    rows = [[it.email, it.status, _yes(it.is_enabled), _yes(it.has_second_factor)] for it in found]
    ProgressDisplay().console.print(table(columns, rows) if rows else "Nobody administers this shop")


@app.command()
def add(
    email: EmailArgument,
    stage: StageOption = None,
    *,
    resend: Annotated[bool, typer.Option("--resend", help="Send a new temporary password, for 3 days.")] = False,
) -> None:
    """Make an administrator: whoever is new gets a temporary password by e-mail, and a second factor comes next."""
    typer.echo(invite(Target.of(stage), email, resend=resend))


@app.command("second-factor")
def set_up_second_factor(email: EmailArgument, stage: StageOption = None) -> None:
    """Set up a person's authenticator app, with their password, and make them an administrator.

    The password and the codes are asked for on this terminal, and a new password if theirs is a temporary one.
    """
    target = Target.of(stage)
    pool = UserPool.of(target)
    if not pool.takes_second_factors:
        raise ShopError(f"An administrator of {target.name} needs no second factor: use add")
    token = pool.sign_in(
        email,
        _secret("Password, or the temporary one from the e-mail"),
        new_password=lambda: _secret("New password, of 12 characters and of all kinds", confirm=True),
        code=lambda: str(typer.prompt("Code of the authenticator app")),
    )
    secret = pool.second_factor_secret(token)
    typer.echo(f"Add this key to the authenticator app: {secret}")
    typer.echo(f"Or this address, as a QR code: {totp.uri(secret, f'shop {target.stage}', email)}")
    for attempt in range(1, CODES_MAX + 1):
        try:
            pool.confirm_second_factor(token, str(typer.prompt("The code that the app shows now")))
            break
        except ShopError as error:
            if attempt == CODES_MAX:
                raise
            typer.echo(str(error))
    pool.join_administrators(email)
    typer.echo(f"{email} is an administrator. Sign in at {target.outputs['WebUrl']}")


@app.command()
def remove(
    email: EmailArgument,
    stage: StageOption = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Take somebody out of the group of administrators. Their account as a customer stays."""
    target = Target.of(stage)
    pool = UserPool.of(target)
    person = pool.person(email)
    if not yes:
        typer.confirm(f"Take {person.email} out of the administrators of {target.name}?", abort=True)
    pool.leave_administrators(email)
    typer.echo(f"{person.email} is no administrator any more, at the latest in 15 minutes")


def invite(target: Target, email: str, *, resend: bool = False) -> str:
    """Returns that the person is an administrator, or what they have to do to become one. Repeats are harmless.

    Only a second factor leads into the group, because whoever knew the temporary password could else set it up first.
    """
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
        raise ShopError(f"{email} is no e-mail address")
    pool = UserPool.of(target)
    is_new = pool.create(email)
    if resend and not is_new:
        pool.create(email, resend=True)
    if pool.person(email).has_second_factor or not pool.takes_second_factors:
        pool.join_administrators(email)
        how = ", with the temporary password from the e-mail" if is_new else ""
        return f"{email} is an administrator. Sign in at {target.outputs['WebUrl']}{how}"
    option = "" if target.local else f" --stage {target.stage}"
    return (
        f"{email} has a temporary password in their e-mail, good for 3 days. They become an administrator by setting "
        f"up a second factor:\n     ./shop people second-factor {email}{option}"
    )


def _secret(question: str, *, confirm: bool = False) -> str:
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=confirm))


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
