"""Makes a function's zip: locked wheels for Lambda's platform, our packages, and bytecode; the same bytes each time.

Never reads the environment that it runs in: what is not in the function's requirements.lock is not in the zip.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from shop_cli.errors import ShopError
from shop_cli.local import certificates

CHECKOUT = Path(__file__).resolve().parents[5]
# Each architecture that Lambda names has the platform of its wheels, and the machine that an ELF header names. Lambda
# runs Python 3.12 and later on Amazon Linux 2023.
ARCHITECTURES = {"x86_64": ("x86_64-manylinux_2_28", 62), "arm64": ("aarch64-manylinux_2_28", 183)}
MACHINE = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
ZIP_BYTES_MAX = 10_000_000
FUNCTIONS = tuple(sorted(path.parent.name for path in (CHECKOUT / "functions").glob("*/pyproject.toml")))
IN_THE_RUNTIME = {"boto3", "botocore", "s3transfer"}  # Lambda has them; they would be two thirds of the zip

CERTIFICATES = "rds-ca.pem"
"""DATABASE_ROOT_CERTIFICATE names this file in the unpacked zip of a function that uses the database."""

Report = Callable[[str], None]


class BuildError(ShopError):
    """Says what is missing and how to get it. Another try without a change ends the same."""


def build_command(
    function: Annotated[str, typer.Argument(help="The function's folder in functions/, such as shop-query.")],
    python: Annotated[str, typer.Option(help="Build for this version of Python.")] = "3.13",
    architecture: Annotated[
        str | None, typer.Option(help="Build for x86_64 or arm64, by default for this machine.")
    ] = None,
) -> None:
    """Make the zip that a function is deployed as. Deploying does this by itself."""
    build(function, python, architecture or MACHINE)


def build(
    function: str,
    python: str = "3.13",
    architecture: str = MACHINE,
    *,
    report: Report = print,
    checkout: Path = CHECKOUT,
) -> Path:
    """Returns the path of the zip, which is made only if an input has changed since. Two at once make it once.

    Raises BuildError.
    """
    home = checkout / "functions" / function
    if not (home / "pyproject.toml").is_file():
        raise BuildError(f"There is no function {function} in {home.parent}")
    if architecture not in ARCHITECTURES:
        raise BuildError(f"There is no architecture {architecture}, but {' and '.join(ARCHITECTURES)}")
    artifact = home / "dist" / f"{function}-py{python}-{architecture}.zip"
    artifact.parent.mkdir(exist_ok=True)
    with artifact.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The function's own documents are part of its sources, and kept nowhere.
        run([sys.executable, "-m", "shop_openapi", "--served"])
        inputs = digest(home, python)
        recorded = artifact.with_suffix(".inputs")
        if artifact.is_file() and recorded.is_file() and recorded.read_text() == inputs:
            report(f"{function}: {artifact.name} is up to date")
            return artifact
        recorded.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{function}-", dir=artifact.parent) as scratch:
            made = make(home, python, architecture, Path(scratch), report)
            made.replace(artifact)
        recorded.write_text(inputs)
    report(f"{function}: {artifact.name}, {artifact.stat().st_size / 1e6:.1f} MB")
    return artifact


def make(home: Path, python: str, architecture: str, scratch: Path, report: Report) -> Path:
    compiler = interpreter(python)
    task, wheels = scratch / "task", scratch / "wheels"
    wheel_platform, machine = ARCHITECTURES[architecture]
    report(f"{home.name}: dependencies for Python {python} on {wheel_platform}")
    install = ["pip", "install", "--quiet", "--python", sys.executable, "--target", str(task), "--no-deps"]
    target = ["--python-platform", wheel_platform, "--python-version", python, "--only-binary", ":all:"]
    # --no-deps: the lock is complete, and a dependency's own wish for botocore must not bring it back.
    uv(*install, *target, "--require-hashes", "--requirement", str(home / "requirements.lock"))
    strip(task, leave_out(home))
    # Dependencies go as bytecode alone, which keeps a zip with both pydantic and a PostgreSQL driver in bounds.
    # A traceback still has their lines' numbers, and the text of ours.
    compile_all(compiler, task, "-b")
    for source in task.rglob("*.py"):
        source.unlink()
    report(f"{home.name}: workspace packages")
    for package in workspace_packages(home):
        uv("build", "--quiet", "--python", sys.executable, "--wheel", "--out-dir", str(wheels), str(package))
    # Wheels, because an editable or directory install would leave only a path to the sources.
    uv(*install, "--no-index", *map(str, sorted(wheels.glob("*.whl"))))
    strip_testing(task, home)
    if (home / "migrations").is_dir():
        shutil.copytree(home / "migrations", task / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    if uses_database(home):
        (task / CERTIFICATES).write_text(certificates.bundle())
    strip(task, [])
    compile_all(compiler, task)
    require_machine(task, machine)
    return pack(task, scratch / "made.zip")


def leave_out(home: Path) -> list[str]:
    """Returns the parts of dependencies that the function never imports, from its pyproject.toml."""
    settings = tomllib.loads((home / "pyproject.toml").read_text())
    return list(settings.get("tool", {}).get("shop-build", {}).get("leave-out", []))


def strip(task: Path, unused: list[str]) -> None:
    """Removes what the function never uses and what names the machine that built it."""
    for name in unused:
        if not (task / name).is_dir():
            raise BuildError(f"leave-out in pyproject.toml names {name}, which no dependency has any more")
        shutil.rmtree(task / name)
    present = IN_THE_RUNTIME & {path.name for path in task.iterdir()}
    if present:
        raise BuildError(f"{', '.join(sorted(present))} must not be in requirements.lock: run `make lock`")
    shutil.rmtree(task / "bin", ignore_errors=True)  # scripts that start with a path of this machine
    (task / ".lock").unlink(missing_ok=True)
    for folder in [path for name in ("tests", "__pycache__") for path in task.rglob(name)]:
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"):
        for path in task.glob(f"*.dist-info/{name}"):
            path.unlink()


def strip_testing(task: Path, home: Path) -> None:
    """Removes the fakes that our packages publish for tests. Dependencies keep theirs, which they may import."""
    for package in workspace_packages(home):
        for module in (package / "src").iterdir():
            for path in (task / module.name).rglob("testing*"):
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name == "testing.py":
                    path.unlink()


def require_machine(task: Path, machine: int) -> None:
    """Another machine's library would fail at its first import in Lambda, and not before.

    https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
    """
    for path in files(task):
        with path.open("rb") as file:
            header = file.read(20)
        if header.startswith(b"\x7fELF") and int.from_bytes(header[18:20], "little") != machine:
            raise BuildError(f"{path.relative_to(task)} is for another machine than {machine}, as ELF numbers them")


def compile_all(compiler: str, task: Path, *more: str) -> None:
    # unchecked-hash: Lambda unpacks with times of its own, and a .pyc that is checked by time would be thrown away.
    # Paths are those of Lambda, also in tracebacks. A fixed hash seed fixes the order of sets in the bytecode.
    options = ["-q", *more, "--invalidation-mode", "unchecked-hash", "-s", str(task), "-p", "/var/task", str(task)]
    run([compiler, "-I", "-m", "compileall", *options], {"PYTHONHASHSEED": "0"})


def pack(task: Path, made: Path) -> Path:
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files(task):
            entry = zipfile.ZipInfo(path.relative_to(task).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix: the permissions count
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    if made.stat().st_size > ZIP_BYTES_MAX:
        raise BuildError(f"The zip has {made.stat().st_size:,} bytes, more than the {ZIP_BYTES_MAX:,} that start fast")
    return made


def interpreter(python: str) -> str:
    """Returns the path of a Python of exactly that version: bytecode of another is silently ignored at run time."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = [Path(folder) / f"python{python}" for folder in os.get_exec_path()]
    for candidate in [Path(sys.executable), *on_path, *sorted(pyenv.glob(f"{python}*/bin/python{python}"))]:
        # Asked, not believed: pyenv's shims answer to a name and then fail, and .venv/bin/python3.13 may be a 3.11.
        ask = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if not candidate.is_file():
            continue
        if subprocess.run(ask, check=False, capture_output=True, text=True).stdout.strip() == python:
            return str(candidate)
    raise BuildError(
        f"Python {python} is needed to compile for Lambda, and none is on PATH or in {pyenv}. Install it "
        f"(`pyenv install {python}`, or `uv python install {python} --default`), or build for another with --python"
    )


def workspace_packages(home: Path) -> list[Path]:
    """Returns the function, the packages of this checkout that it takes, and those that they take, in order."""
    found: dict[Path, None] = {}

    def visit(package: Path) -> None:
        if package in found:
            return
        found[package] = None
        settings = tomllib.loads((package / "pyproject.toml").read_text())
        sources = settings.get("tool", {}).get("uv", {}).get("sources", {})
        for source in sources.values():
            visit((package / source["path"]).resolve())

    visit(home.resolve())
    return sorted(found)


def uses_database(home: Path) -> bool:
    return "database" in {package.name for package in workspace_packages(home)}


def digest(home: Path, python: str) -> str:
    """Hashes everything that decides the zip's bytes."""
    total = hashlib.sha256(f"{python} {run([str(uv_binary()), '--version'])}".encode())
    if uses_database(home):
        total.update(certificates.bundle().encode())
    inputs = [Path(__file__), home / "requirements.lock", *files(home / "migrations")]
    for package in workspace_packages(home):
        inputs += [package / "pyproject.toml", *files(package / "src")]
    for path in inputs:
        content = path.read_bytes()
        total.update(f"{path.name} {path.parent.name} {len(content)}\n".encode() + content)
    return total.hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """Yields the files in order; bytecode only in a function's own unpacked folder, where we put it ourselves."""
    bytecode = folder.name == "task"
    return (p for p in sorted(folder.rglob("*")) if p.is_file() and (bytecode or p.parent.name != "__pycache__"))


def uv_binary() -> Path:
    return Path(sys.executable).with_name("uv")


def uv(*arguments: str) -> None:
    run([str(uv_binary()), *arguments], {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"})


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, check=False, env=os.environ | (environment or {}), capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout
