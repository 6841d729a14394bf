"""The house keeps its walls: which room may include which, and words that belong to one room alone."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CPP = ROOT / "cpp"
PACKAGE = ROOT / "python" / "faltung"

# room: rooms that it may include
MAY_INCLUDE = {
    "core": {"core"},
    "parallel": {"core", "parallel"},
    "microkernels": {"microkernels"},
    "lines": {"core", "lines", "microkernels"},
    "direct": {"core", "lines", "microkernels", "parallel", "direct"},
    "spectral": {"core", "lines", "microkernels", "parallel", "direct", "spectral"},
    "layers": {"core", "lines", "microkernels", "parallel", "spectral", "layers"},
    "recursive": {"core", "lines", "microkernels", "parallel", "recursive"},
    "chance": {"core", "lines", "microkernels", "parallel", "chance"},
    "matching": {"core", "lines", "microkernels", "parallel", "spectral", "matching"},
    "policy": {"core", "microkernels", "policy"},
    "engine": {
        "core",
        "direct",
        "spectral",
        "layers",
        "matching",
        "microkernels",
        "parallel",
        "policy",
        "engine",
    },
    "bindings": {
        "chance",
        "core",
        "engine",
        "parallel",
        "policy",
        "recursive",
        "spectral",
        "bindings",
    },
    # the device's side of everything: it shares values, names and errors with the rooms above
    "cuda": {"core", "lines", "direct", "spectral", "policy", "engine", "bindings", "cuda"},
}
# bindings reach into the machinery only to show and to force what runs
BINDINGS_OF_SPECTRAL = {"spectral/fft.hpp"}

# words that belong to one place: pattern, where it may stand
BELONGS = {
    "OpenMP": (r"#\s*pragma\s+omp|\bomp_\w+\(|<omp\.h>", r"parallel/"),
    "FFTW's names": (
        r"\bfftwf?l?_(?:plan|exec|mall|free|destr|clean|compl|iodim|imp|exp|init|make|vers|set)\w*|<fftw3\.h>",
        r"spectral/fftw_api",
    ),
    "Python": (r"pybind11|\bPy[A-Z]\w*_\w+\(|Python\.h", r"bindings/|cuda/bind_cuda"),
    "intrinsics": (
        r"\b_mm\d*_\w+|\bv(?:ld|st|add|mul)\w*q_\w+|arm_neon\.h",
        r"microkernels/(?:\w*_)?simd\.hpp",
    ),
    "loading libraries": (r"\bdlopen\(|\bdlsym\(|LoadLibrary", r"spectral/shared_library"),
    "clocks": (r"<chrono>", r"parallel/|spectral/"),
    "CUDA": (r"\bcuda|__CUDACC__|FALTUNG_CUDA", r"cuda/"),
}

WITHIN_MICROKERNELS = {"cstdint", "cstddef", "cstring"}
INTRINSICS = {
    "immintrin.h",
    "emmintrin.h",
    "arm_neon.h",
}  # for what vector extensions lack, in simd.hpp


def sources(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix in (".cpp", ".hpp", ".cu", ".cuh")
    )


def code(path: Path) -> str:
    """A source without its comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", text)


def included(path: Path) -> tuple[list[str], list[str]]:
    """Names in quotes, and names in angle brackets."""
    found = re.findall(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', code(path), flags=re.MULTILINE)
    return [ours for ours, _ in found if ours], [theirs for _, theirs in found if theirs]


def test_the_rooms_are_those_of_the_plan():
    rooms = {path.name for path in CPP.iterdir() if path.is_dir()}
    assert rooms == set(MAY_INCLUDE)


@pytest.mark.parametrize("room", MAY_INCLUDE)
def test_includes(room):
    assert sources(CPP / room)
    wrong = []
    for path in sources(CPP / room):
        for name in included(path)[0]:
            if "/" not in name:
                assert name.endswith(".inc"), f"{path}: {name} names no room"
                continue
            if name.split("/")[0] not in MAY_INCLUDE[room]:
                wrong.append(f"{path.relative_to(CPP)} includes {name}")
            assert (CPP / name).is_file(), f"{path}: {name} does not exist"
            if (
                room == "bindings"
                and name.startswith("spectral/")
                and name not in BINDINGS_OF_SPECTRAL
            ):
                wrong.append(f"{path.relative_to(CPP)} includes {name}")
    assert not wrong


@pytest.mark.parametrize("word", BELONGS)
def test_words_stay_in_their_room(word):
    pattern, home = BELONGS[word]
    wrong = []
    for path in sources(CPP):
        place = path.relative_to(CPP).as_posix()
        if re.match(home, place):
            continue
        wrong += [f"{place}: {hit}" for hit in re.findall(pattern, code(path))]
    assert not wrong


def compiled_per_level() -> set[Path]:
    """level.cpp and all that it includes."""
    reached, waiting = set(), [CPP / "microkernels" / "level.cpp"]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [CPP / name for name in included(path)[0]]
    return reached


def test_microkernels_are_plain():
    # an inline function of the standard library, compiled for AVX-512, may win at link time
    for path in compiled_per_level():
        place = path.relative_to(CPP)
        assert place.parts[0] == "microkernels"
        allowed = WITHIN_MICROKERNELS | (INTRINSICS if path.stem.endswith("simd") else set())
        assert set(included(path)[1]) <= allowed, place
        words = re.findall(
            r"\bstd::(?!u?int\d+_t\b|u?intptr_t\b|size_t\b|ptrdiff_t\b|byte\b|nullptr_t\b|mem\w+\b)\w+"
            r"|\bthrow\b|\btry\b|\bcatch\b|\bnew\b|\bdelete\b|\bmalloc\b|\bthread_local\b",
            code(path),
        )
        assert not words, f"{place}: {sorted(set(words))}"
        assert not re.search(
            r"^\s*static\s+(?!const(expr)?\b|inline\b)[\w:<>]+\s+\w+\s*(=|\{|\[)",
            code(path),
            re.MULTILINE,
        ), place


def test_microkernels_hide_their_code():
    # in an anonymous namespace, or as static functions where a header is shared with other rooms
    function = re.compile(
        r"^(?P<head>[\w:<>*& ]+)\([^;{}]*\)\s*(?:const\s*)?(?:noexcept\s*)?\{", re.MULTILINE
    )
    for path in compiled_per_level():
        text = code(path)
        if re.search(r"namespace\s*\{", text):
            continue
        heads = [found["head"].strip() for found in function.finditer(text)]
        loose = [head for head in heads if not head.startswith("static ")]
        assert not loose, f"{path.relative_to(CPP)}: {loose}"


def test_policy_touches_no_data():
    for path in sources(CPP / "policy"):
        place = path.relative_to(CPP).as_posix()
        words = re.findall(
            r"\bArrayView\b|array_view\.hpp|\bWorkspace\b|\bnew\b|\bmalloc\b|parallel_for",
            code(path),
        )
        assert not words, f"{place}: {words}"


def test_executors_choose_nothing():
    for room in ("direct", "spectral", "layers", "matching", "recursive", "chance", "lines"):
        for path in sources(CPP / room):
            words = re.findall(r"\bchoose\(|\bCostModel\b|\bMethod::|policy/", code(path))
            assert not words, f"{path.relative_to(CPP)}: {words}"


def test_headers_are_included_once():
    for path in sources(CPP):
        if path.suffix == ".hpp":
            assert code(path).lstrip().startswith("#pragma once"), path.relative_to(CPP)


def test_no_fast_math_anywhere():
    # it flips how the whole process treats denormals
    files = [
        *ROOT.glob("CMakeLists.txt"),
        *ROOT.glob("cmake/*"),
        *CPP.rglob("CMakeLists.txt"),
        *sources(CPP),
    ]
    for path in files:
        stripped = (
            re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8"))
            if path.suffix != ".cpp"
            else code(path)
        )
        assert "ffast-math" not in stripped, path
        assert "Ofast" not in stripped, path


def test_files_stay_readable():
    for path in [*sources(CPP), *PACKAGE.rglob("*.py"), *Path(__file__).parent.glob("*.py")]:
        length = len(path.read_text(encoding="utf-8").splitlines())
        assert length <= 700, f"{path.relative_to(ROOT)} has {length} lines"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.stem)
def test_python_computes_nothing_in_hot_paths(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imported.add(node.module.split(".")[0])
    # what pip installs beside us is found as files, not imported
    assert not imported & {"scipy", "pyfftw", "numba", "cv2", "torch", "mkl", "pandas"}
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    if path.stem in ("_api", "_plan", "_arguments", "_config"):
        assert not called & {"dot", "einsum", "matmul", "pad", "tensordot", "fft", "rfft", "rfftn"}
