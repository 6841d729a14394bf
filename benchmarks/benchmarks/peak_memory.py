"""Peak memory of a process that holds the arrays and makes one call."""

from _peers import METHODS, PEERS, by_method, same, samples

CASES = {
    "512x512 * 15x15": ((512, 512), (15, 15)),
    "10^7 * 1023": ((10_000_000,), (1023,)),
    "4096x4096 * 15x15": ((4096, 4096), (15, 15)),
    "4096x4096 * 101x101": ((4096, 4096), (101, 101)),
    "256^3 * 9^3": ((256,) * 3, (9,) * 3),
}


class Peers:
    params = ([peer for peer in PEERS if peer != "numpy"], list(CASES))
    param_names = ("peer", "case")

    def setup(self, peer, case):
        x_shape, k_shape = CASES[case]
        self.call = same(peer, samples(x_shape), samples(k_shape, seed=8))

    def peakmem_convolve(self, *_):
        self.call()


class Methods:
    params = (METHODS, list(CASES))
    param_names = ("method", "case")

    def setup(self, method, case):
        # Only the call that is measured: trying the method first would count its memory as the process's own.
        x_shape, k_shape = CASES[case]
        x, k = samples(x_shape), samples(k_shape, seed=8)
        by_method(method, samples((32,) * x.ndim), samples((3,) * x.ndim, seed=8))
        import faltung

        self.call = lambda: faltung.convolve(x, k, "same", method)

    def peakmem_convolve(self, *_):
        self.call()
