"""Pooling layers against PyTorch's."""

from _peers import module, samples

SHAPES = ["512x14x14", "64x112x112", "64x224x224"]
WINDOWS = ["2/2", "3/2", "3/1", "13/1"]  # size/stride


class _Layer:
    peers = ("faltung", "torch")
    param_names = ("peer", "layout", "shape", "window")

    def setup(self, peer, layout, shape, window):
        channels, height, width = map(int, shape.split("x"))
        size, stride = map(int, window.split("/"))
        last = layout == "NHWC"
        x = samples((1, height, width, channels) if last else (1, channels, height, width))
        padding = size // 2 if stride < size else 0
        if peer == "faltung":
            nn = module("faltung").nn
            self.call = self.ours(
                nn, x, size, {"stride": stride, "padding": padding, "layout": layout}
            )
        else:
            torch = module("torch")
            tensor = torch.from_numpy(x)
            if last:
                tensor = tensor.permute(0, 3, 1, 2)  # a view: its memory is channels-last
            self.call = self.theirs(torch.nn.functional, tensor, (size, stride, padding))

    def time_pool(self, *_):
        self.call()


class Max(_Layer):
    params = (_Layer.peers, ["NCHW", "NHWC"], SHAPES, WINDOWS)

    def ours(self, nn, x, size, where):
        return lambda: nn.max_pool(x, size, **where)

    def theirs(self, functional, x, where):
        return lambda: functional.max_pool2d(x, *where)


class MaxWithIndices(_Layer):
    params = (_Layer.peers, ["NCHW", "NHWC"], SHAPES[:2], WINDOWS[:3])

    def ours(self, nn, x, size, where):
        return lambda: nn.max_pool(x, size, **where, return_indices=True)

    def theirs(self, functional, x, where):
        return lambda: functional.max_pool2d(x, *where, return_indices=True)


class Average(_Layer):
    params = (_Layer.peers, ["NCHW", "NHWC"], SHAPES, WINDOWS)

    def ours(self, nn, x, size, where):
        return lambda: nn.avg_pool(x, size, **where)

    def theirs(self, functional, x, where):
        return lambda: functional.avg_pool2d(x, *where, count_include_pad=False)


class MaxBackward(_Layer):
    params = (_Layer.peers, ["NCHW", "NHWC"], SHAPES[:2], WINDOWS[:3])

    def ours(self, nn, x, size, where):
        y = nn.max_pool(x, size, **where)
        return lambda: nn.max_pool_backward(y, x, size, **where)

    def theirs(self, functional, x, where):
        """Forward and backward: PyTorch needs the places that its forward pass found."""
        x = x.clone().requires_grad_()
        y = functional.max_pool2d(x, *where)
        grad = y.detach()

        def call():
            functional.max_pool2d(x, *where).backward(grad)

        return call


class Unfold(_Layer):
    params = (_Layer.peers, ["NCHW"], SHAPES[:2], WINDOWS[:3])

    def ours(self, nn, x, size, where):
        return lambda: nn.unfold(x, size, **where)

    def theirs(self, functional, x, where):
        size, stride, padding = where
        return lambda: functional.unfold(x, size, stride=stride, padding=padding)
