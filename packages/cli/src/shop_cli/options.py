"""Several commands have these options."""

from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
StageOption = Annotated[str | None, typer.Option("--stage", help="A stage on AWS, not the shop on this machine.")]
