"""Every client of AWS that a function has is configured here, so that AWS's own logs name the function that called.

The module imports botocore, which takes a function that calls nothing of AWS a third of a second: only what makes a
client imports it.
"""

import gzip
import json
import platform
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.loaders import JSONFileLoader, Loader


def settings(service: str, **options: Any) -> Config:
    """`options` are botocore's own: timeouts, retries, connections.

    A call takes a third less CPU than with botocore's defaults. It writes its user agent anew for each request, with
    the features that the request uses, while this one is fixed: it names the SDK and the function, as CloudTrail shows
    it. It also checks each request's parameters against its model, which the service does again.
    """
    agent = f"Botocore/{botocore.__version__} lang/python#{platform.python_version()} app/{service}"
    return Config(user_agent=agent, parameter_validation=False, **options)


def session() -> botocore.session.Session:
    """Makes a session, which is not boto3's: that imports what nobody here uses, and so makes each start longer."""
    made = botocore.session.get_session()
    made.register_component("data_loader", models())
    return made


@cache
def models() -> Loader:
    """What one session has read of AWS's descriptions, the next one knows."""
    return _Models(file_loader=_Files())


class _Models(Loader):
    """botocore would look into the folder of each service of AWS to know which there are, and there are over 400."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore gives it
        # One that isn't there is found out when its own folder is read.
        return [path.name for path in Path(self.BUILTIN_DATA_PATH).iterdir()]


class _Files(JSONFileLoader):
    """A dict keeps its order too, and is made in half of the time that botocore's OrderedDict takes."""

    def load_file(self, file_path: str) -> Any:
        for ending, opened in ((".json", open), (".json.gz", gzip.open)):
            with suppress(FileNotFoundError), opened(file_path + ending, "rb") as file:
                return json.loads(file.read())
        return None
