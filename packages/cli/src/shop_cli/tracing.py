"""Reads a recorded trace: what `shop trace` shows."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from rich.console import RenderableType

from shop_cli import environment
from shop_cli.aws import client
from shop_cli.home import State
from shop_cli.xray import traces, waterfall


def new_trace_id() -> str:
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids"""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def documents(state: State, trace_id: str) -> list[dict[str, Any]]:
    """The trace's segments as they were sent; none if X-Ray does not know it (yet)."""
    xray = client(state, "xray", environment.xray_url(state))
    pages = xray.get_paginator("batch_get_traces").paginate(TraceIds=[trace_id])
    return [
        json.loads(segment["Document"])
        for page in pages
        for trace in page["Traces"]
        for segment in trace.get("Segments", [])
    ]


def read(state: State, trace_id: str) -> traces.Trace:
    return traces.read(trace_id, documents(state, trace_id))


def drawing(trace_id: str, found: list[dict[str, Any]]) -> RenderableType:
    return waterfall.render(traces.read(trace_id, found))
