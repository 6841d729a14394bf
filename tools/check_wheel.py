"""Checks what a wheel holds: the Python package, its types, one extension, and nothing else.

python tools/check_wheel.py dist/faltung-*.whl
"""

import re
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "python"
EXTENSION = re.compile(r"faltung/_core\.[\w.-]+\.(so|pyd)")
METADATA = re.compile(
    r"faltung-[\w.+]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)"
)


def complaints(names: set[str]) -> list[str]:
    sources = {
        path.relative_to(PACKAGE).as_posix()
        for pattern in ("*.py", "*.pyi", "py.typed")
        for path in PACKAGE.rglob(pattern)
    }
    extensions = {name for name in names if EXTENSION.fullmatch(name)}
    metadata = {name for name in names if METADATA.fullmatch(name)}
    found = [f"missing: {name}" for name in sorted(sources - names)]
    found += [f"unexpected: {name}" for name in sorted(names - sources - extensions - metadata)]
    if len(extensions) != 1:
        found.append(f"one extension expected, found {sorted(extensions)}")
    if not any(name.endswith("LICENSE") for name in metadata):
        found.append("missing: the licence")
    if not {"faltung/py.typed", "faltung/_core.pyi"} <= sources:
        found.append("missing: py.typed or _core.pyi")
    return found


def main() -> int:
    wheels = sys.argv[1:]
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            found = complaints({name for name in archive.namelist() if not name.endswith("/")})
        print(f"{Path(wheel).name}: {'; '.join(found) or 'ok'}")
        if found:
            return 1
    return 0 if wheels else 2


if __name__ == "__main__":
    sys.exit(main())
