"""`shop release-web`: builds the storefront, uploads it to a stage and tells the distribution, and nothing else.

A page that somebody has open stays whole: what index.html names is there before it, and the files that a release no
longer has stay for the days that infra/web.yml gives them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shop_cli.errors import ShopError
from shop_cli.progress import ProgressDisplay
from shop_cli.target import StageOption, Target

WEB: Final = Path(__file__).resolve().parents[5] / "web"
DIST: Final = WEB / "dist"
SOURCES: Final = ("index.html", "package-lock.json", "svelte.config.js", "vite.config.ts", "public", "src")
CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
HASHED: Final = "assets/"
"""The name of a file in this folder has a hash of its content, so what it names never changes."""
IMMUTABLE: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
PAGE: Final = "index.html"
SUPERSEDED: Final = "superseded=true"


def release_web(stage: StageOption = None) -> None:
    """Build the storefront and release it alone, to the shop on this machine or to a stage on AWS.

    To take a release back, run it in a checkout of the commit before.
    """
    target, progress = Target.of(stage), ProgressDisplay()
    with progress.step("Build", "bundling with Vite") as step:
        step.done(build())
    with progress.step("Storefront", "uploading") as step:
        step.done(release(target))


def build() -> str:
    """Fills web/dist, if a source has changed since. Two at once do it once."""
    lock = os.open(WEB, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest, recorded = sources_digest(), DIST / ".inputs"
        if recorded.is_file() and recorded.read_text() == digest:
            return "unchanged"
        run(["make", "--silent", "web/node_modules/.ready"], WEB.parent)
        run(["npm", "run", "--silent", "build"], WEB)
        recorded.write_text(digest)
    finally:
        os.close(lock)
    return f"{sum(path.stat().st_size for path in built()) / 1e3:.0f} KB in {len(built())} files"


def release(target: Target) -> str:
    """Uploads what `build` has made, and returns where it is. A release that failed half-way is done by the next."""
    outputs, names = target.outputs, {path.relative_to(DIST).as_posix(): path for path in built()}
    storage, bucket = target.client("s3"), outputs["WebBucketName"]
    settings = json.loads(outputs["WebConfig"]) | ({"people": target.people} if target.people else {})

    def put(key: str, content: bytes) -> None:
        storage.put_object(Bucket=bucket, Key=key, Body=content, **headers(key))

    for key in sorted(names, key=upload_order):
        if key == PAGE:
            put("config.json", json.dumps({name: value for name, value in settings.items() if value}).encode())
        put(key, names[key].read_bytes())
    supersede(storage, bucket, set(names))
    target.client("cloudfront").create_invalidation(
        DistributionId=outputs["DistributionId"],
        InvalidationBatch={
            "Paths": {"Quantity": 2, "Items": [f"/{PAGE}", "/config.json"]},
            "CallerReference": str(time.time_ns()),
        },
    )
    return outputs["WebUrl"]


def upload_order(key: str) -> tuple[bool, bool, str]:
    return key == PAGE, not key.startswith(HASHED), key


def supersede(storage: Any, bucket: str, current: set[str]) -> None:
    """Marks the files that only earlier releases have. Being copied makes them new, and their days count from then."""
    for key in stored(storage, bucket):
        is_marked = bool(storage.get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
        if key in current and is_marked:  # an upload takes the mark away on AWS, but not on the emulator
            storage.delete_object_tagging(Bucket=bucket, Key=key)
        elif key not in current and not is_marked:
            storage.copy_object(
                Bucket=bucket,
                Key=key,
                CopySource={"Bucket": bucket, "Key": key},
                MetadataDirective="REPLACE",
                TaggingDirective="REPLACE",
                Tagging=SUPERSEDED,
                **headers(key),
            )


def stored(storage: Any, bucket: str) -> Iterator[str]:
    for page in storage.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=HASHED):
        for found in page.get("Contents", []):
            yield found["Key"]


def headers(key: str) -> dict[str, str]:
    content_type = CONTENT_TYPES.get(Path(key).suffix)
    if content_type is None:
        raise ShopError(f"What type of content {key} has is not known: add it to CONTENT_TYPES in {__file__}")
    return {"ContentType": content_type, "CacheControl": IMMUTABLE if key.startswith(HASHED) else ASK_AGAIN}


def built() -> list[Path]:
    return [path for path in DIST.rglob("*") if path.is_file() and not path.name.startswith(".")]


def sources_digest() -> str:
    total = hashlib.sha256()
    for source in (WEB / name for name in SOURCES):
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file():
                content = path.read_bytes()
                total.update(f"{path.relative_to(WEB)} {len(content)}\n".encode() + content)
    return total.hexdigest()


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ShopError(f"{' '.join(command)} in {folder} failed:\n{done.stdout}{done.stderr}")
