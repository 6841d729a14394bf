"""What the stand-in for CUDA (cpp/cuda/on_host) finds: mistakes that a device would hide or punish later."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CPP = Path(__file__).resolve().parents[1] / "cpp"
COMPILER = shutil.which("g++")

pytestmark = pytest.mark.skipif(
    COMPILER is None or sys.platform != "linux", reason="the stand-in is for GCC on Linux"
)


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """Each trial's line, taken apart."""
    program = tmp_path_factory.mktemp("trials") / "trials"
    stand_in = CPP / "cuda" / "on_host"
    subprocess.run(
        [
            COMPILER, "-std=c++20", "-O1", "-Wall", "-Wextra", "-fno-extern-tls-init", f"-I{stand_in}", f"-I{CPP}",
            stand_in / "fibers.cpp", stand_in / "runtime.cpp", Path(__file__).with_name("on_host_trials.cpp"),
            "-o", program,
        ],
        check=True,
    )  # fmt: skip
    listing = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60)
    return {name: rest for name, *rest in (line.split(";") for line in listing.stdout.splitlines())}


def test_kernels_run(trials):
    assert trials["barrier"] == ["no error", "64"]
    assert trials["shuffle"] == ["no error", "496 1520"]
    assert trials["votes"] == ["no error", "1 1"]
    assert trials["copies"] == ["no error", "9"]
    assert trials["allowed"] == ["no error"]


def test_a_missing_barrier_shows(trials):
    status, right = trials["race"]
    assert status == "no error"
    assert int(right) < 64


def test_barriers_that_differ(trials):
    assert trials["two barriers"] == ["threads of a block wait at different barriers"]
    assert trials["half a warp"] == ["threads of a block wait for each other"]


def test_memory_that_is_not_theirs(trials):
    assert "nan" in trials["unwritten"][0]
    assert trials["far behind"] == ["an illegal memory access was encountered"]
    assert trials["just behind"] == ["a kernel wrote beside an allocation"]
    assert trials["freed"] == ["an illegal memory access was encountered"]
    assert trials["of the host"] == ["invalid argument"]


def test_what_nobody_waits_for_has_not_happened(trials):
    assert trials["no wait"] == ["no error", "-1"]
    assert trials["late"] == ["0 0 1"]


def test_launches_that_a_device_refuses(trials):
    assert trials["no threads"] == ["invalid configuration argument"]
    assert trials["shared memory"] == ["invalid argument"]
