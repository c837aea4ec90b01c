"""What a function is deployed as: complete, the same each time, and nothing of the machine that made it."""

import json
import re
import shutil
import ssl
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

from shop_cli.errors import ShopError
from shop_cli.local import build as builder
from shop_cli.local import certificates
from shop_cli.local.build import CHECKOUT, FUNCTIONS, BuildError, build

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
UNCHECKED_HASH = b"\x01\x00\x00\x00"  # PEP 552: the bytecode is used whatever its source's time


@pytest.fixture(scope="session", params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def unpacked(function: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(function)
    with zipfile.ZipFile(build(function, PYTHON)) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def lambda_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lambda has boto3 and its dependencies beside a function; this folder links to ours."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in set(distributions("boto3")):
        for file in metadata.files(name) or []:
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).symlink_to(source)
    return folder


def distributions(name: str) -> Iterator[str]:
    yield name
    for requirement in metadata.requires(name) or []:
        if "extra ==" not in requirement:
            found = re.match(r"[\w.-]+", requirement)
            assert found
            yield from distributions(found.group())


def test_an_artifact_for_arm_has_libraries_for_arm_alone(function: str) -> None:
    machines = set()
    with zipfile.ZipFile(build(function, PYTHON, "arm64")) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if content.startswith(b"\x7fELF"):
                machines.add(int.from_bytes(content[18:20], "little"))
    assert machines == {183}  # EM_AARCH64


def test_a_library_for_another_machine_stops_the_build(tmp_path: Path) -> None:
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00"
    (tmp_path / "module.so").write_bytes(header + (62).to_bytes(2, "little"))
    (tmp_path / "short.so").write_bytes(b"\x7fEL")
    builder.require_machine(tmp_path, 62)
    with pytest.raises(BuildError, match=r"module\.so is for another machine than 183"):
        builder.require_machine(tmp_path, 183)
    with pytest.raises(BuildError, match="no architecture mips, but x86_64 and arm64"):
        build("shop-query", PYTHON, "mips")


def test_an_artifact_beside_nothing_but_boto3_imports_its_handlers(
    function: str, unpacked: Path, lambda_runtime: Path
) -> None:
    handlers = re.findall(r"handler: (\S+)", (CHECKOUT / "functions" / function / "serverless.yml").read_text())
    assert handlers
    for handler in handlers:
        module, name = handler.rsplit(".", 1)
        code = f"import sys; sys.path[:0] = {[str(unpacked), str(lambda_runtime)]}; import {module} as m; m.{name}"
        # -I -S: no environment's packages and no variable; an empty environment: nothing is read at import.
        alone = [sys.executable, "-I", "-S", "-B", "-c", code]
        done = subprocess.run(alone, cwd=unpacked, env={}, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_two_builds_in_different_folders_are_the_same_bytes(function: str, unpacked: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "another" / "checkout"
    for part in ("functions", "packages"):
        ignored = shutil.ignore_patterns("dist", "__pycache__", ".serverless", "tests", ".env.*")
        shutil.copytree(CHECKOUT / part, elsewhere / part, ignore=ignored)
    other = build(function, PYTHON, checkout=elsewhere)
    assert other.read_bytes() == build(function, PYTHON).read_bytes()


def test_our_packages_bring_what_runs_and_nothing_that_only_tests_use(function: str, unpacked: Path) -> None:
    ours = [
        folder.name
        for package in builder.workspace_packages(CHECKOUT / "functions" / function)
        for folder in (package / "src").iterdir()
    ]
    assert {"shop_shared", function.replace("-", "_")} <= set(ours)
    names = [path.relative_to(unpacked) for name in ours for path in (unpacked / name).rglob("*")]
    assert names
    unwanted = {"testing", "tests", "conftest", "golden"}
    assert not [name for name in names if unwanted & {part.split(".")[0] for part in name.parts}]
    assert not [name for name in names if "schemas" in name.parts]


def test_boto3_is_left_to_the_runtime(unpacked: Path) -> None:
    assert not {"boto3", "botocore", "s3transfer"} & {path.name for path in unpacked.iterdir()}


def test_every_module_has_bytecode_that_lambda_takes_without_a_check(unpacked: Path) -> None:
    version = PYTHON.replace(".", "")
    for source in unpacked.rglob("*.py"):
        assert (source.parent / "__pycache__" / f"{source.stem}.cpython-{version}.pyc").is_file(), source
    bytecode = list(unpacked.rglob("*.pyc"))
    assert len(bytecode) > 200
    assert {file.read_bytes()[4:8] for file in bytecode} == {UNCHECKED_HASH}


def test_nothing_in_an_artifact_names_the_machine_that_made_it(unpacked: Path) -> None:
    traces = (str(CHECKOUT).encode(), str(Path.home() / ".cache").encode(), b"/dist/shop-", b"file:///")
    for file in (path for path in unpacked.rglob("*") if path.is_file()):
        content = file.read_bytes()
        # Only what the build wrote: a published library's binary may well name the machine of its own maker.
        if file.suffix in {".pyc", ".py", ".json", ".txt", ""} and "shop" in str(file.relative_to(unpacked)):
            assert not [trace for trace in traces if trace in content], file
        assert str(CHECKOUT).encode() not in content, file


def test_dispatch_brings_its_migrations(function: str, unpacked: Path) -> None:
    migrations = CHECKOUT / "functions" / function / "migrations"
    expected = {path.name for path in migrations.glob("*") if path.is_file()}
    found = {path.name for path in (unpacked / "migrations").glob("*") if path.is_file()}
    assert found == expected
    assert bool(found) == (function == "shop-dispatch")


def test_a_function_that_uses_the_database_brings_the_authorities_of_each_region_with_a_stage(
    function: str, unpacked: Path
) -> None:
    if function == "shop-command":
        assert not (unpacked / "rds-ca.pem").exists()
        return
    authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authorities.load_verify_locations(unpacked / "rds-ca.pem")
    subjects = json.dumps([found["subject"] for found in authorities.get_ca_certs()])
    names = set(re.findall(r'"commonName", "([^"]+)"', subjects))
    of_rds = {f"Amazon RDS us-east-1 Root CA {kind} G1" for kind in ("RSA2048", "RSA4096", "ECC384")}
    of_a_proxy = {f"Amazon Root CA {number}" for number in range(1, 5)}
    assert names == of_rds | of_a_proxy | {"Starfield Services Root Certificate Authority - G2"}


def test_a_region_without_an_authority_is_refused_until_awss_own_bundle_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ShopError, match=r"no certificate authority of RDS in mars-1. Save https://truststore"):
        certificates.bundle(["us-east-1", "mars-1"])
    given = tmp_path / "rds-global-bundle.pem"
    given.write_text("\n" + certificates.bundle(["eu-central-1"]))
    monkeypatch.setattr(certificates, "GIVEN", given)
    assert certificates.bundle(["eu-central-1"]).count("BEGIN CERTIFICATE") == 8


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Makes a checkout with one function, which takes one package."""
    for folder, name, more in [
        ("functions/tiny", "tiny", '[tool.uv.sources]\nshared = { path = "../../packages/shared", editable = true }\n'),
        ("packages/shared", "shared", ""),
    ]:
        home = tmp_path / folder
        (home / "src" / name).mkdir(parents=True)
        (home / "src" / name / "__init__.py").write_text("ANSWER = 42\n")
        system = '[build-system]\nrequires = ["uv_build>=0.13,<0.14"]\nbuild-backend = "uv_build"\n'
        (home / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "1.0.0"\n{system}{more}')
    (tmp_path / "functions" / "tiny" / "requirements.lock").touch()
    return tmp_path


def test_an_unchanged_function_is_not_built_again_and_a_changed_package_is(tiny: Path) -> None:
    messages: list[str] = []
    artifact = build("tiny", PYTHON, report=messages.append, checkout=tiny)
    assert {"tiny/__init__.py", "shared/__init__.py"} < set(zipfile.ZipFile(artifact).namelist())
    messages.clear()
    build("tiny", PYTHON, report=messages.append, checkout=tiny)
    assert messages == [f"tiny: {artifact.name} is up to date"]
    (tiny / "packages" / "shared" / "src" / "shared" / "__init__.py").write_text("ANSWER = 43\n")
    build("tiny", PYTHON, report=messages.append, checkout=tiny)
    assert zipfile.ZipFile(artifact).read("shared/__init__.py") == b"ANSWER = 43\n"


def test_two_builds_at_once_make_it_once(tiny: Path) -> None:
    messages: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        artifacts = list(pool.map(lambda _: build("tiny", PYTHON, report=messages.append, checkout=tiny), range(2)))
    assert artifacts[0] == artifacts[1]
    assert [line for line in messages if "up to date" in line] == [f"tiny: {artifacts[0].name} is up to date"]


def test_a_failed_build_leaves_nothing_that_passes_for_its_result(tiny: Path) -> None:
    artifact = build("tiny", PYTHON, checkout=tiny)
    (tiny / "functions" / "tiny" / "src" / "tiny" / "__init__.py").write_text("def broken(:\n")
    for _ in range(2):
        with pytest.raises(BuildError, match="broken"):
            build("tiny", PYTHON, checkout=tiny)
    assert sorted(path.suffix for path in artifact.parent.iterdir()) == [".lock", ".zip"]


def test_a_zip_over_the_limit_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "ZIP_BYTES_MAX", 100)
    with pytest.raises(BuildError, match="more than the 100"):
        build("tiny", PYTHON, checkout=tiny)


def test_a_part_to_leave_out_that_is_gone_is_refused(tiny: Path) -> None:
    with (tiny / "functions" / "tiny" / "pyproject.toml").open("a") as settings:
        settings.write('[tool.shop-build]\nleave-out = ["moved/away"]\n')
    with pytest.raises(BuildError, match="moved/away"):
        build("tiny", PYTHON, checkout=tiny)


def test_an_interpreter_that_is_not_there_is_asked_for(tiny: Path) -> None:
    with pytest.raises(BuildError, match=r"Python 3\.99 is needed .*pyenv install 3\.99"):
        build("tiny", "3.99", checkout=tiny)


def test_an_unknown_function_is_refused(tiny: Path) -> None:
    with pytest.raises(BuildError, match="no function huge"):
        build("huge", PYTHON, checkout=tiny)


def test_the_command_says_how_it_is_used() -> None:
    command = [str(Path(sys.executable).with_name("shop")), "build", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "--python" in done.stdout
