"""The library behind transforms: found where it should be, named when it is missing, and done without."""

import os
import subprocess
import sys

import numpy as np
import pytest
from script import output_of, run_script

import faltung

found = pytest.mark.skipif(
    not faltung.show_config("dict")["fft"]["found"], reason="no FFTW library is installed here"
)


def missing(tmp_path) -> str:
    return str(tmp_path / "nowhere" / "libfftw3.so.3")


@found
def test_what_was_found_is_shown():
    fft = faltung.show_config("dict")["fft"]
    assert fft["name"]
    assert fft["version"]
    assert fft["path_float64"]
    assert fft["path_float32"]


class TestMissing:
    def test_the_error_names_each_path_and_the_remedy(self, tmp_path):
        source = """
            import numpy as np
            import faltung
            for method in ("fft", "overlap_save"):
                try:
                    faltung.convolve(np.ones(5003), np.ones(701), method=method)
                except Exception as error:
                    print(type(error).__name__, str(error).replace("\\n", " "))
                else:
                    print("served")
        """
        where = missing(tmp_path)
        fft, tiles = output_of(source, FALTUNG_FFTW=where).splitlines()
        assert fft.split()[0] in ("RuntimeError", "ValueError")
        assert where in fft
        assert "pyfftw" in fft
        # tiles may have transforms of their own; without, the same is said
        assert tiles == "served" or where in tiles

    def test_everything_else_works(self, tmp_path):
        source = """
            import numpy as np
            import faltung
            x, k = np.arange(300.0), np.arange(80.0)  # too short for transforms of our own
            plan = faltung.plan(k, x.shape)
            assert plan.method != "fft", plan.method
            expected = np.convolve(x, k)
            assert np.abs(plan(x) - expected).max() < 1e-12 * expected.max()
            image = np.arange(90.0 * 80).reshape(90, 80)
            faltung.convolve(image, np.ones((40, 41)))
            faltung.convolve(image, np.ones((3, 3)), method="direct")
            faltung.convolve(image, np.ones((3, 3)), method="separable")
            text = plan.explain()
            assert "fft: not possible" in text, text
            fft = faltung.show_config("dict")["fft"]
            assert not fft["found"]
            print(fft["searched"])
        """
        where = missing(tmp_path)
        assert where in output_of(source, FALTUNG_FFTW=where)

    def test_the_self_test_passes_without(self, tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "faltung"],
            env=os.environ | {"FALTUNG_FFTW": missing(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("choice", ["relative/libfftw3.so.3", "nonsense"])
    def test_a_choice_that_is_neither_path_nor_name(self, choice):
        source = """
            import numpy as np
            import faltung
            faltung.convolve(np.ones(5003), np.ones(701), method="fft")
        """
        done = run_script(source, FALTUNG_FFTW=choice)
        assert done.returncode == 1
        assert choice in done.stderr
        assert "FALTUNG_FFTW" in done.stderr

    def test_a_file_that_is_no_library(self, tmp_path):
        file = tmp_path / "libfftw3.so.3"
        file.write_bytes(b"this is not a library")
        source = """
            import numpy as np
            import faltung
            faltung.convolve(np.ones(5003), np.ones(701), method="fft")
        """
        done = run_script(source, FALTUNG_FFTW=str(file))
        assert done.returncode == 1
        assert str(file) in done.stderr


@found
def test_an_absolute_path_is_taken():
    fft = faltung.show_config("dict")["fft"]
    source = """
        import numpy as np
        import faltung
        faltung.convolve(np.ones(500), np.ones(70), method="fft")
        print(faltung.show_config("dict")["fft"]["path_float64"])
    """
    path = fft["path_float64"]
    assert output_of(source, FALTUNG_FFTW=path).strip() == path


@found
def test_beside_pyfftw_in_one_process():
    pytest.importorskip("pyfftw")
    source = """
        import pyfftw, numpy as np
        import faltung
        x = pyfftw.empty_aligned(1000)
        x[:] = 1
        plan = pyfftw.builders.rfft(x)
        plan()
        faltung.convolve(x, np.ones(70), method="fft")
        pyfftw.forget_wisdom()
        faltung.convolve(x, np.ones(71), method="overlap_save")
        plan()
        print("fine")
    """
    assert output_of(source) == "fine\n"


@found
class TestWisdom:
    SOURCE = """
        import numpy as np
        import faltung
        x, k = np.ones((300, 310)), np.ones((40, 41))
        y = faltung.convolve(x, k, method="fft"), faltung.convolve(x, k, method="overlap_save")
        assert np.allclose(y[0], y[1])
        print(faltung.show_config("dict")["fft"]["wisdom"])
    """

    def test_it_is_kept_where_the_user_keeps_caches(self, tmp_path):
        output_of(self.SOURCE, XDG_CACHE_HOME=str(tmp_path))
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert all("faltung" in str(path.relative_to(tmp_path)) for path in files)
        for path in files:
            assert path.stat().st_size <= 1 << 20
            if sys.platform != "win32":
                assert path.stat().st_mode & 0o077 == 0
        output_of(self.SOURCE, XDG_CACHE_HOME=str(tmp_path))

    @pytest.mark.parametrize(
        "content", [b"", b"\0" * 100, b"(fftw-3.3.5 nonsense", b"x" * (3 << 20)]
    )
    def test_broken_files_are_no_trouble(self, tmp_path, content):
        output_of(self.SOURCE, XDG_CACHE_HOME=str(tmp_path))
        for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
            path.write_bytes(content)
        output_of(self.SOURCE, XDG_CACHE_HOME=str(tmp_path))

    def test_a_directory_that_cannot_be_written(self, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("no directory")
        output_of(self.SOURCE, XDG_CACHE_HOME=str(blocked))


def test_nothing_is_loaded_before_it_is_needed():
    source = """
        import sys
        import numpy as np
        import faltung
        faltung.convolve(np.ones(100), np.ones(3), method="direct")
        assert "pyfftw" not in sys.modules
        assert "scipy" not in sys.modules
        print("fine")
    """
    assert output_of(source) == "fine\n"


def test_importing_writes_nothing(tmp_path):
    output_of(
        "import faltung",
        XDG_CACHE_HOME=str(tmp_path),
        HOME=str(tmp_path),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_numpy_is_still_whole():
    # a stray symbol of a transform library may take NumPy's or SciPy's place
    x = np.arange(64.0)
    faltung.convolve(x, x, method="fft")
    np.testing.assert_allclose(np.fft.irfft(np.fft.rfft(x)), x, atol=1e-12)
