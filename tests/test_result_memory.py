"""Large results own memory of ours, which serves later results: it must never serve two at a time."""

import pickle
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from script import output_of

import faltung

LARGE = (1024, 1024)  # 4 MiB of float32
KEPT = pytest.mark.skipif(sys.platform != "linux", reason="where the system takes offered pages")


@pytest.fixture(autouse=True)
def nothing_kept():
    faltung.trim()
    yield
    faltung.trim()


def filled(value, shape=LARGE):
    return faltung.convolve(np.full(shape, value, np.float32), np.ones((1, 1), np.float32))


def test_large_results_are_aligned_and_own_their_data():
    y = filled(1)
    assert np._core.multiarray.get_handler_name(y) == "faltung"
    assert np._core.multiarray.get_handler_name(np.ones(LARGE)) != "faltung"
    assert y.flags.owndata
    assert y.base is None
    assert y.ctypes.data % 64 == 0
    assert sys.getsizeof(y) > y.nbytes


@KEPT
def test_memory_of_a_deleted_result_serves_the_next_of_its_size():
    y = filled(1)
    address = y.ctypes.data
    del y
    other = filled(2, (512, 1024))  # a smaller one does not take it
    assert other.ctypes.data != address
    y = filled(3)
    assert y.ctypes.data == address
    assert (y == 3).all()
    assert (other == 2).all()


def test_living_results_never_share():
    rng = np.random.default_rng(5)
    alive = {}
    for i in range(200):
        alive[int(rng.integers(12))] = (i, filled(i, LARGE if i % 3 else (700, 1000)))
        for value, y in alive.values():
            assert y[0, 0] == value
            assert y[-1, -1] == value


def test_threads():
    wrong = []

    def work(value):
        for _ in range(20):
            y = filled(value)
            if not (y == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(v,)) for v in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("rows", [1, 300, 1024, 3000])
def test_resizing_in_place(rows):
    y = filled(7)
    y.resize((rows, 1024), refcheck=False)
    assert (y[: min(rows, 1024)] == 7).all()
    assert (y[1024:] == 0).all()
    del y
    assert (filled(8) == 8).all()


def test_copies_and_pickles_are_numpys():
    y = filled(1)
    assert np._core.multiarray.get_handler_name(y.copy()) != "faltung"
    assert (pickle.loads(pickle.dumps(y)) == y).all()


def test_tracemalloc_sees_results():
    tracemalloc.start()
    try:
        y = filled(1)
        assert tracemalloc.get_traced_memory()[0] >= y.nbytes
    finally:
        tracemalloc.stop()


def test_what_is_kept_is_bounded_and_can_be_given_back():
    source = """
        import resource, sys
        import numpy as np
        import faltung

        def resident():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * resource.getpagesize() / 2**20

        x, k = np.ones((1 << 23,), np.float32), np.ones(1, np.float32)
        faltung.convolve(x[:1000000], k)
        before = resident()
        results = [faltung.convolve(x, k) for _ in range(12)]  # 384 MiB
        del results
        kept = resident() - before
        faltung.trim()
        print(kept, resident() - before)
    """
    if sys.platform != "linux":
        pytest.skip("resident memory is read as Linux tells it")
    kept, after = map(float, output_of(source).split())
    assert kept < 256 + 70
    assert after < 70


def test_results_may_outlive_the_interpreter():
    source = """
        import atexit
        import numpy as np
        import faltung
        keep = faltung.convolve(np.ones((1024, 1024)), np.ones((3, 3)))
        atexit.register(lambda: print(keep.sum() > 0))
    """
    assert output_of(source).strip() == "True"
