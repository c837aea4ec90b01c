"""`shop remove`: takes a stage off AWS. All of its progress is in AWS, so whatever ends it, it can be run again."""

from __future__ import annotations

from typing import Annotated

import typer

from shop_cli.errors import ShopError
from shop_cli.operations.removal import leftovers, stacks
from shop_cli.progress import ProgressDisplay
from shop_cli.target import Target


def remove(
    stage: Annotated[str, typer.Option("--stage", help="Remove this stage on AWS.")],
    yes: Annotated[
        str | None, typer.Option("--yes", metavar="STAGE", help="Do not ask: this is the stage's name again.")
    ] = None,
) -> None:
    """Remove a stage from AWS with its data: stacks, buckets, parameters and logs. A snapshot of the database stays.

    It refuses a stage with deletion protection. Interrupted or failed, the same command goes on.
    """
    if stage in ("", "local", "offline"):
        raise ShopError(f"Stage {stage} is on this machine: ./shop down --delete removes it", exit_code=2)
    target, progress = Target.of(stage), ProgressDisplay()
    services = [service for together in stacks.ORDER for service in together]
    found = {service: stack for service in services if (stack := stacks.read(target, service))}
    protected = [each for stack in found.values() for each in stacks.protections(target, stack)]
    if protected:
        raise ShopError(f"Stage {stage} is protected from being deleted: {', '.join(protected)}. Nothing was removed")
    kept = [f"{it.type} {it.physical_id}" for stack in found.values() for it in stack.resources if it.is_kept]
    _confirm(target, found, yes, progress)
    try:
        _remove(target, found, progress)
    except KeyboardInterrupt:
        progress.line(f"The same command goes on: ./shop remove --stage {stage}")
        raise ShopError("", exit_code=130) from None
    for each in [*kept, *(f"the database's snapshot {name}" for name in leftovers.snapshots(target))]:
        progress.line(f"  kept  {each}")


def _confirm(target: Target, found: dict[str, stacks.Stack], yes: str | None, progress: ProgressDisplay) -> None:
    names = ", ".join(stack.name for stack in found.values()) or "none of its stacks is left"
    progress.line(f"Stage {target.stage}, as {target.actor}: {names}")
    given = typer.prompt("Its data will be gone. The name of the stage to remove") if yes is None else yes
    if given != target.stage:
        raise ShopError(f"{given} is not {target.stage}. Nothing was removed", exit_code=2)


def _remove(target: Target, found: dict[str, stacks.Stack], progress: ProgressDisplay) -> None:
    for together in stacks.ORDER:
        leaving = [found[service] for service in together if service in found]
        for stack in leaving:
            if stack.of_type("AWS::EC2::Subnet"):
                with progress.step("Interfaces", "looking for network interfaces of Lambda") as step:
                    step.done(stacks.wait_for_interfaces(target, stack, step))
            with progress.step("Buckets", f"of {stack.name}") as step:
                stacks.begin(target, stack, step)
                step.done(f"those of {stack.name} are empty")
        for stack in leaving:
            with progress.step("Stack", stack.name) as step:
                step.done(f"{stack.name} {stacks.end(target, stack, step)}")
    with progress.step("Parameters", f"deleting those in /shop/{target.stage}") as step:
        step.done(leftovers.delete_parameters(target))
    with progress.step("Logs", "deleting what is left of the functions' logs") as step:
        step.done(leftovers.delete_log_groups(target))
