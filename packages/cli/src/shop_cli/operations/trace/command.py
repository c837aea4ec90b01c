"""`shop trace`: recorded traces, in the terminal, as JSON or as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from shop_cli.errors import ShopError
from shop_cli.operations.trace import page, traces
from shop_cli.operations.trace.layout import Layout, lay_out, services
from shop_cli.operations.trace.source import Chosen, TraceSource
from shop_cli.operations.trace.waterfall import Waterfall
from shop_cli.output import JsonOption, display, print_json
from shop_cli.progress import ProgressDisplay
from shop_cli.target import StageOption, Target

Documents = dict[str, list[traces.Document]]


def trace(
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The id of a trace, or of a stream: product-<sku> or reservation-<id>."),
    ] = None,
    *,
    last: Annotated[bool, typer.Option("--last", help="Show the trace of the last `shop demo`.")] = False,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write a page that needs no other file to FILE; - prints it."),
    ] = None,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show recorded traces: what called what, how long each took, and how long events waited between the systems.

    For a stream it shows the newest five traces of the requests that made its events.
    """
    if as_json and html:
        raise ShopError("Use either --json or --html", exit_code=2)
    if stage and last:
        raise ShopError("--last means the last ./shop demo on this machine; with --stage, name a trace", exit_code=2)
    source, last_trace = _source(stage)
    chosen_name = last_trace if last else name
    if not chosen_name or (last and name):
        raise ShopError("Name a trace or a stream, or use --last once ./shop demo has run", exit_code=2)
    chosen = source.choose(chosen_name)
    progress = display(for_scripts=as_json or bool(html))
    found = _documents(source, chosen, progress, on_aws=bool(stage))
    if not found:
        raise ShopError(_absent(source, chosen))
    if as_json:
        print_json(_json(chosen, found))
        return
    layouts = [lay_out(traces.read(trace_id, segments)) for trace_id, segments in found.items()]
    notes = _notes(source, chosen, found)
    if html:
        command = f"shop trace {{}} --stage {stage}" if stage else "shop trace {}"
        _write(html, page.html(_title(chosen, layouts), layouts, notes, command, chosen.events), progress)
    else:
        _print(chosen, layouts, notes, progress)


def _source(stage: str | None) -> tuple[TraceSource, str]:
    """Returns the trace of the last demonstration too, if there is one."""
    target = Target.of(stage)
    return TraceSource.of(target), target.local.last_trace if target.local else ""


def _documents(source: TraceSource, chosen: Chosen, progress: ProgressDisplay, *, on_aws: bool) -> Documents:
    if not on_aws:
        return source.documents(chosen)
    with progress.step("X-Ray", "reading") as step:
        found = source.documents(chosen, step.doing)
        count = sum(map(len, found.values()))
        step.done("1 segment" if count == 1 else f"{count:,} segments")
    return found


def _absent(source: TraceSource, chosen: Chosen) -> str:
    if chosen.stream_id:
        return f"X-Ray has no trace of {chosen.stream_id}, any more or yet: {source.kept}"
    sampled = "a request is recorded when its X-Amzn-Trace-Id header says Sampled=1"
    return f"X-Ray has no trace {chosen.trace_ids[0]}: {sampled}, and {source.kept}"


def _notes(source: TraceSource, chosen: Chosen, found: Documents) -> list[str]:
    shown, earlier = len(chosen.trace_ids), f"{chosen.earlier:,} earlier {'one' if chosen.earlier == 1 else 'ones'}"
    return [
        *([f"The newest {shown} traces of {chosen.stream_id}, without {earlier}."] if chosen.earlier else []),
        *(
            f"Trace {each}, of {_events(chosen, each)}, is gone, or not there yet: {source.kept}."
            for each in chosen.trace_ids
            if each not in found
        ),
    ]


def _events(chosen: Chosen, trace_id: str) -> str:
    return ", ".join(chosen.events.get(trace_id, ()))


def _title(chosen: Chosen, layouts: Sequence[Layout]) -> str:
    """Returns the stream of all the events in the traces, if there is one."""
    annotations = [row.span.annotations for each in layouts for row in each.rows if row.span]
    streams = {str(found["stream_id"]) for found in annotations if "stream_id" in found and "event_type" in found}
    return chosen.stream_id or (streams.pop() if len(streams) == 1 else "What called what")


def _json(chosen: Chosen, found: Documents) -> dict[str, Any]:
    """Returns the segments of a single trace, or all traces that were asked for of a stream."""
    if chosen.stream_id is None:
        ((trace_id, segments),) = found.items()
        return {"id": trace_id, "segments": segments}
    shown = [{"id": each, "events": chosen.events[each], "segments": segments} for each, segments in found.items()]
    absent = [each for each in chosen.trace_ids if each not in found]
    return {"stream_id": chosen.stream_id, "earlier": chosen.earlier, "absent": absent, "traces": shown}


def _write(file: str, text: str, progress: ProgressDisplay) -> None:
    if file == "-":
        typer.echo(text, nl=False)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ShopError(f"The file {file} could not be written: {error.strerror}") from error
    progress.console.print(f"Wrote {file}", soft_wrap=True, markup=False)


def _print(chosen: Chosen, layouts: Sequence[Layout], notes: Sequence[str], progress: ProgressDisplay) -> None:
    for note in notes:
        progress.console.print(note, soft_wrap=True, markup=False)
    for position, each in enumerate(layouts):
        if position or notes:
            progress.line()
        if chosen.stream_id:
            events = _events(chosen, each.trace_id)
            progress.console.print(f"{chosen.stream_id}: {events}", soft_wrap=True, markup=False)
        progress.console.print(Waterfall(each, services(layouts)))
