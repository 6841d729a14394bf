"""What leaves an object compiled for one instruction set: its table, and nothing else.

Any other external symbol could replace a baseline one at link time, and crash an older machine.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import faltung

ROOT = Path(__file__).resolve().parents[1]
NM = shutil.which("nm")

pytestmark = [
    pytest.mark.skipif(NM is None, reason="nm is not installed"),
    pytest.mark.skipif(sys.platform == "win32", reason="nm reads no COFF of clang-cl"),
]


def defined(path: Path, *options: str) -> set[str]:
    """External names that a file defines, without a platform's leading underscore."""
    listing = subprocess.run(
        [NM, *options, "--defined-only", "--extern-only", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.split()[-1] for line in listing.splitlines() if len(line.split()) >= 3}
    return {name.removeprefix("_") if sys.platform == "darwin" else name for name in names}


def level_objects() -> list[Path]:
    chosen = os.environ.get("FALTUNG_BUILD_DIR")
    roots = [Path(chosen)] if chosen else sorted((ROOT / "build").glob("*"))
    found = [path for root in roots for path in root.rglob("faltung_level_*.dir/level*.cpp.o*")]
    return [path for path in found if path.suffix in (".o", ".obj")]


def test_each_level_exports_its_table_alone():
    objects = level_objects()
    if not objects:
        pytest.skip("no build directory with the levels' objects; set FALTUNG_BUILD_DIR")
    for path in objects:
        level = re.search(r"faltung_level_(\w+)\.dir", str(path)).group(1)
        names = defined(path)
        assert len(names) == 1, f"{path.name} of level {level} exports {sorted(names)}"
        assert f"table_{level}" in names.pop()


def test_each_level_needs_little_of_others():
    # what it calls: the compiler's own memcpy and the like, never a template of the standard library
    objects = level_objects()
    if not objects:
        pytest.skip("no build directory with the levels' objects; set FALTUNG_BUILD_DIR")
    for path in objects:
        listing = subprocess.run(
            [NM, "--undefined-only", str(path)], capture_output=True, text=True, check=True
        ).stdout
        needed = {line.split()[-1] for line in listing.splitlines() if line.split()}
        mangled = {name for name in needed if name.lstrip("_").startswith("Z")}
        assert not mangled, f"{path} calls {sorted(mangled)}"


def test_every_level_of_the_list_was_built():
    objects = level_objects()
    if not objects:
        pytest.skip("no build directory with the levels' objects; set FALTUNG_BUILD_DIR")
    built = {re.search(r"faltung_level_(\w+)\.dir", str(path)).group(1) for path in objects}
    assert set(faltung._core.levels()) <= built


def test_the_extension_exports_its_door_alone():
    option = "-U" if sys.platform == "darwin" else "-D"
    names = defined(Path(faltung._core.__file__), option)
    ours = {
        name for name in names if not name.startswith(("_init", "_fini", "__bss", "_edata", "_end"))
    }
    assert "PyInit__core" in ours
    # templates of the C++ runtime, which it insists on sharing, may show; nothing of the library may
    mangled = {name for name in ours if name.startswith("_Z")}
    assert ours - mangled == {"PyInit__core"}
    assert not {name for name in mangled if re.match(r"_Z(T[ISVTc]|GV|Z)?N?K?7faltung", name)}
