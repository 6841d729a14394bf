"""Filters along a line: recursive ones, with as many taps, and through the stand-ins for SciPy's functions."""

from _peers import module, samples

FILTERS = {
    "64 taps": "fir",
    "order 4, cut-off 0.3": 0.3,  # looks ahead by blocks
    "order 4, cut-off 0.05": 0.05,  # poles close together: goes step by step
    "4 sections": "sos",
}
SHAPES = {
    "1e3": (1000,), "1e4": (10**4,), "1e5": (10**5,), "1e6": (10**6,), "1000x1000 axis 0": (1000, 1000),
}  # fmt: skip


class Lines:
    params = (["faltung", "scipy"], list(FILTERS), list(SHAPES), ["float32", "float64"])
    param_names = ("peer", "filter", "shape", "dtype")

    def setup(self, peer, name, shape, dtype):
        scipy = module("scipy.signal")
        signal = module("faltung.compat").signal if peer == "faltung" else scipy
        x = samples(SHAPES[shape], dtype)
        kind = FILTERS[name]
        if kind == "sos":
            sections = scipy.butter(8, 0.1, output="sos").astype(dtype)
            self.call = lambda: signal.sosfilt(sections, x, axis=0)
            return
        b, a = (samples(64), samples(1) * 0 + 1) if kind == "fir" else scipy.butter(4, kind)
        b, a = b.astype(dtype), a.astype(dtype)
        self.call = lambda: signal.lfilter(b, a, x, axis=0)

    def time_call(self, *_):
        self.call()


class StandIns:
    """What going through `faltung.compat` costs, beside the same call without it."""

    params = (
        ["compat", "native", "scipy"],
        ["correlate", "gaussian", "sobel"],
        ["float32", "uint8"],
    )
    param_names = ("through", "call", "dtype")

    def setup(self, through, call, dtype):
        faltung = module("faltung")
        x = (samples((512, 512)) * 30 + 100).astype(dtype)
        k = samples((5, 5))
        options = {"boundary": "symmetric", "dtype": dtype}
        native = {
            "correlate": lambda: faltung.correlate(x, k, "same", **options),
            "gaussian": lambda: faltung.filters.gaussian(x, 2, **options),
            "sobel": lambda: faltung.filters.sobel(x, 0, **options),
        }
        theirs = faltung.compat.ndimage if through == "compat" else module("scipy.ndimage")
        through_scipys_names = {
            "correlate": lambda: theirs.correlate(x, k),
            "gaussian": lambda: theirs.gaussian_filter(x, 2),
            "sobel": lambda: theirs.sobel(x, 0),
        }
        self.call = (native if through == "native" else through_scipys_names)[call]

    def time_call(self, *_):
        self.call()


class Patched:
    """SciPy's own functions that stand on recursive filters, with ours in SciPy's place."""

    params = (["faltung", "scipy"], ["filtfilt", "sosfiltfilt"], [10**3, 10**4, 10**5, 10**6])
    param_names = ("filters", "call", "samples")

    def setup(self, peer, call, length):
        signal = module("scipy.signal")
        x = samples((length,), "float64")
        if call == "filtfilt":
            b, a = signal.butter(4, 0.05)
            self.call = lambda: signal.filtfilt(b, a, x)
        else:
            sections = signal.butter(4, 0.05, output="sos")
            self.call = lambda: signal.sosfiltfilt(sections, x)
        self.patch = module("faltung.compat").patch_scipy() if peer == "faltung" else None
        if self.patch:
            self.patch.__enter__()

    def teardown(self, *_):
        if self.patch:
            self.patch.__exit__(None, None, None)

    def time_call(self, *_):
        self.call()
