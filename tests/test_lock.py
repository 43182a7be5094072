"""requirements.txt holds for every platform: a resolver that knows the wheels of each is asked, nothing installed."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

from tests.helpers import uv
from wav2tok.model.features import contour, speech

PROJECT = Path(__file__).resolve().parents[1]
LOCK = [
    Requirement(line)
    for line in (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PLATFORMS = {
    "x86_64-manylinux_2_28": ("linux", "x86_64"),
    "aarch64-manylinux_2_28": ("linux", "aarch64"),
    "aarch64-apple-darwin": ("darwin", "arm64"),
    "windows": ("win32", "AMD64"),
}
"""What uv calls a platform, and what markers call it."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
FROM_SOURCE = {"antlr4-python3-runtime"}
"""Packages without any wheels, pure Python."""
COMPILED = {"aarch64-manylinux_2_28": {"python-stretch"}}
"""Packages without wheels for a platform: installing compiles them there, which takes a C++ compiler."""


def pins(platform: str, python: str) -> dict[str, str]:
    """The versions that the lock gives there."""
    system, machine = PLATFORMS[platform]
    environment = {
        **default_environment(),
        "sys_platform": system,
        "platform_machine": machine,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "os_name": "nt" if system == "win32" else "posix",
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    chosen = [pin for pin in LOCK if pin.marker is None or pin.marker.evaluate(environment)]
    assert len({pin.name for pin in chosen}) == len(chosen)
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in chosen}


def test_the_lock_is_of_exact_versions_and_names_no_address() -> None:
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) and pin.url is None for pin in LOCK)
    assert not re.search(r"https?:|^--|\bfile:", (PROJECT / "requirements.txt").read_text(), flags=re.M)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_one_onnxruntime_everywhere_and_the_same_versions(platform: str, python: str) -> None:
    found = pins(platform, python)
    runtimes = {name: version for name, version in found.items() if name.startswith("onnxruntime")}
    gpu = PLATFORMS[platform] in (("linux", "x86_64"), ("win32", "AMD64"))
    assert list(runtimes) == ["onnxruntime-gpu" if gpu else "onnxruntime"]
    here = pins("x86_64-manylinux_2_28", "3.11")
    assert set(runtimes.values()) == {here["onnxruntime-gpu"]}
    # Numbers come from the same versions on every machine.
    for name in ("torch", "torchaudio", "numpy", "scipy", "numba", "scikit-learn", "soxr", "soundfile"):
        assert found[name] == here[name]


def test_the_lock_has_what_every_extra_asks_for() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    versions = {pin.name: str(pin.specifier).removeprefix("==") for pin in LOCK}
    for need in map(Requirement, asked):
        if need.name != "wav2tok":
            assert need.specifier.contains(versions[need.name.lower()]), need


def test_the_weights_are_pinned_and_bring_nothing_that_only_their_packages_need() -> None:
    groups = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    asked = {f"{weights.package}=={weights.version}" for weights in (speech.WEIGHTS, contour.WEIGHTS)}
    assert set(groups["pretrained"]) == asked <= set(map(str, LOCK))
    assert not {"librosa", "silero-vad"} & {pin.name for pin in LOCK}


@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
def test_there_are_wheels_on_every_platform(platform: str) -> None:
    """A platform that fails names the package, and all its Pythons are tried."""
    sources = sorted(FROM_SOURCE | COMPILED.get(platform, set()))
    # ONNX Runtime's wheels ask for macOS 14.
    environment = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
    problems = []
    for python in PYTHONS:
        done = uv(
            ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-deps", "--python-platform", platform,
             "--python-version", python, "--only-binary", ":all:", *(f"--no-binary={name}" for name in sources),
             "requirements.txt"],
            PROJECT, environment,
        )  # fmt: skip
        if done.returncode:
            problems.append(f"{platform}, Python {python}: {done.stderr.strip()}")
            continue
        resolved = dict(line.partition(" ")[0].split("==") for line in done.stdout.splitlines() if "==" in line)
        assert resolved == pins(platform, python)
    assert not problems, "\n".join(problems)
