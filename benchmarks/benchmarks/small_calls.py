"""Arrays so small that a call is all overhead."""

from _peers import PEERS, module, same, samples

SHAPES = {
    "16 * 3": (16, 3),
    "100 * 7": (100, 7),
    "1000 * 31": (1000, 31),
    "8x8 * 3x3": ((8, 8), (3, 3)),
    "32x32 * 5x5": ((32, 32), (5, 5)),
}


class Small:
    params = (PEERS, list(SHAPES))
    param_names = ("peer", "shapes")

    def setup(self, peer, shapes):
        x_shape, k_shape = SHAPES[shapes]
        self.call = same(peer, samples(x_shape), samples(k_shape, seed=8))

    def time_call(self, *_):
        self.call()


class Prepared:
    """A plan in the hand, with and without an array for the answer."""

    params = (list(SHAPES), ["fresh", "out"])
    param_names = ("shapes", "answer")

    def setup(self, shapes, answer):
        x_shape, k_shape = SHAPES[shapes]
        x, k = samples(x_shape), samples(k_shape, seed=8)
        plan = module("faltung").plan(k, x.shape, "same")
        out = x.copy() if answer == "out" else None
        self.call = lambda: plan(x, out)

    def time_call(self, *_):
        self.call()


class Import:
    def timeraw_import(self):
        return "import faltung"
