"""The process around a call: threads, fork after use, Ctrl-C, the GIL, signals and floating-point settings."""

import multiprocessing
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cases import numbers, outer
from script import output_of

import faltung

unix = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has neither fork nor SIGINT for one thread"
)


def test_many_threads_many_problems(method):
    inputs = [numbers((60 + i, 70), np.dtype("float64"), i) for i in range(6)]
    k = outer((5, 4), np.dtype("float64"), 1)
    expected = [faltung.convolve(x, k, "same", method, workers=2) for x in inputs]

    def work(which):
        at = which % 6
        actual = faltung.convolve(inputs[at], k, "same", method, workers=1 + which % 4)
        return np.array_equal(actual, expected[at])

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(work, range(240)))


def test_other_python_runs_meanwhile():
    # a thread counts while a call of some hundred milliseconds runs: the GIL is released
    x, k = np.ones((1500, 1500)), np.ones((41, 41))
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        time.sleep(0.02)
        before = counted[0]
        faltung.convolve(x, k, "valid", "direct", workers=1)
        assert counted[0] - before >= 3
    finally:
        stop.set()
        thread.join()


FORK = """
    import multiprocessing, sys
    import numpy as np
    import faltung

    x, k = np.ones((300, 310), np.float32), np.ones((9, 9), np.float32)
    expected = faltung.convolve(x, k, "same", {method!r}, workers=2)

    def child(queue):
        for workers in (2, 1, 3):
            actual = faltung.convolve(x, k, "same", {method!r}, workers=workers)
            queue.put(bool(np.array_equal(actual, expected)))

    context = multiprocessing.get_context("fork")
    for round in range(3):
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        answers = [queue.get(timeout=20) for _ in range(3)]
        process.join(20)
        assert process.exitcode == 0, process.exitcode
        assert all(answers)
        # and the parent still works
        assert np.array_equal(faltung.convolve(x, k, "same", {method!r}, workers=2), expected)
    print("fine")
"""


@unix
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_fork_after_use(method):
    assert output_of(FORK.format(method=method), timeout=90) == "fine\n"


@unix
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_pool_of_forked_workers():
    source = """
        import multiprocessing
        import numpy as np
        import faltung

        k = np.ones((5, 5))

        def work(seed):
            return float(faltung.convolve(np.full((64, 64), seed), k, "valid", workers=2)[0, 0])

        work(1.0)
        with multiprocessing.get_context("fork").Pool(3) as pool:
            assert pool.map(work, [1.0, 2.0, 3.0] * 4) == [25.0, 50.0, 75.0] * 4
        print("fine")
    """
    assert output_of(source, timeout=90) == "fine\n"


# Calls that take seconds with one worker, in little memory: zero strides in, few outputs.
LONG = {
    "direct": "np.broadcast_to(np.float64(1.5), (400, 4000)), np.ones((200, 1500))",
    "separable": "np.broadcast_to(np.float64(1.5), (4000, 6000)), np.outer([1, 2], np.arange(4001.0))",
    "fft": "np.broadcast_to(np.float64(1.5), (1600, 2**18)), np.ones((1, 2**18 - 100))",
    "overlap_save": "np.broadcast_to(np.float64(1.5), (3000, 512, 512)), np.ones((1, 400, 400))",
}

# The library promises 100 ms. A loaded machine may wake this process late, so the test allows a second more: still
# far less than the call would take without being interrupted.
PROMISE, MARGIN = 0.1, 1.0

INTERRUPT = """
    import os, signal, sys, threading, time
    import numpy as np
    import faltung

    signal.signal(signal.SIGINT, signal.default_int_handler)
    x, k = {operands}
    out = None
    sent = []

    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    plan = faltung.plan(k, x.shape, "valid", {method!r}, workers={workers})
    timer = threading.Timer(0.3, interrupt)
    timer.start()
    try:
        plan(x)
    except KeyboardInterrupt:
        print(time.monotonic() - sent[0])
        # the library is whole: the next call is answered
        assert faltung.convolve([1, 2], [1, 1], method="direct").tolist() == [1, 3, 2]
    else:
        timer.cancel()
        sys.exit("the call ended before it was interrupted")
"""


@unix
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("method", LONG)
def test_ctrl_c(method, workers):
    source = INTERRUPT.format(operands=LONG[method], method=method, workers=workers)
    waited = float(output_of(source, timeout=60, FALTUNG_ISA=faltung._core.levels()[0]))
    assert waited < PROMISE + MARGIN


@unix
def test_ctrl_c_once_is_an_exception_once():
    # a handler of the user's own runs, and its exception is what comes out
    source = """
        import os, signal, threading
        import numpy as np
        import faltung

        class Mine(Exception):
            pass

        def handler(*_):
            raise Mine("mine")

        signal.signal(signal.SIGUSR1, handler)
        x, k = np.broadcast_to(1.5, (400, 4000)), np.ones((200, 1500))
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        try:
            faltung.convolve(x, k, "valid", "direct", workers=1)
        except Mine as error:
            print(error, error.__context__)
    """
    assert output_of(source, FALTUNG_ISA=faltung._core.levels()[0]) == "mine None\n"


@unix
def test_a_handler_that_raises_nothing_stops_nothing():
    calls = []
    before = signal.signal(signal.SIGUSR1, lambda *_: calls.append(1))
    timer = threading.Timer(0.05, signal.raise_signal, (signal.SIGUSR1,))
    try:
        timer.start()
        actual = faltung.convolve(
            np.ones((1200, 1200)), np.ones((41, 41)), "valid", "direct", workers=1
        )
        timer.join()
        assert (actual == 41 * 41).all()
        time.sleep(0)
        assert calls
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_denormals_are_left_to_the_process():
    # -ffast-math, linked in anywhere, would flush them to zero in every later computation
    source = """
        import numpy as np
        import faltung
        tiny = np.full(8, 1e-310)
        for method in ("direct", "fft", "overlap_save"):
            faltung.convolve(np.ones(100), np.ones(5), method=method)
            assert (tiny * 0.5 != 0).all()
        print("fine")
    """
    assert output_of(source) == "fine\n"


def test_plans_may_outlive_everything():
    # freed while the interpreter shuts down, after pyfftw has cleaned up
    source = """
        import numpy as np
        try:
            import pyfftw
        except ImportError:
            pass
        import faltung
        kept = [faltung.plan(np.ones((5, 5)), (64, 64), method=m) for m in ("direct", "fft", "overlap_save")]
        for plan in kept:
            plan(np.ones((64, 64)))
        print("fine")
    """
    assert output_of(source) == "fine\n"
