"""Layers of nets: forward and backward, plain calls and prepared ones, each method by itself both ways."""

import numpy as np
from _peers import module, samples

# name: batch, channels in and out, side, taps, stride, padding, groups
LAYERS = {
    "digits 16-32 8 k3 n64": (64, 16, 32, 8, 3, 1, 1, 1),
    "seed bank 32x16x16 on 256": (1, 1, 32, 256, 16, 1, 0, 1),
    "vgg 64-64 224 k3": (1, 64, 64, 224, 3, 1, 1, 1),
    "vgg 256-256 56 k3": (1, 256, 256, 56, 3, 1, 1, 1),
    "vgg 512-512 14 k3": (1, 512, 512, 14, 3, 1, 1, 1),
    "64-64 112 k5": (1, 64, 64, 112, 5, 1, 2, 1),
    "64-64 112 k7": (1, 64, 64, 112, 7, 1, 3, 1),
    "alexnet 3-64 224 k11 s4 n8": (8, 3, 64, 224, 11, 4, 2, 1),
    "resnet 3-64 224 k7 s2 n8": (8, 3, 64, 224, 7, 2, 3, 1),
    "resnet 256-64 56 k1 n8": (8, 256, 64, 56, 1, 1, 0, 1),
    "resnext 128-128 28 k3 g32 n8": (8, 128, 128, 28, 3, 1, 1, 32),
    "convnext depthwise 96 56 k7 n8": (8, 96, 96, 56, 7, 1, 3, 96),
    "replk depthwise 128 56 k31 n8": (8, 128, 128, 56, 31, 1, 15, 128),
}
METHODS = ["direct", "winograd4", "winograd2", "nested", "fft", "auto"]


def arrays(name):
    batch, inputs, outputs, side, taps, stride, padding, groups = LAYERS[name]
    x = samples((batch, inputs, side, side))
    w = samples((outputs, inputs // groups, taps, taps), seed=8)
    return x, w, {"stride": stride, "padding": padding, "groups": groups}


class Forward:
    params = (["faltung", "faltung plan", "faltung nhwc", "torch", "torch nhwc"], list(LAYERS))
    param_names = ("peer", "layer")

    def setup(self, peer, layer):
        x, w, options = arrays(layer)
        if peer == "faltung":
            nn = module("faltung").nn
            self.call = lambda: nn.conv(x, w, **options)
        elif peer == "faltung plan":
            plan = module("faltung").nn.plan(w, x.shape, **options)
            self.call = lambda: plan(x)
        elif peer == "faltung nhwc":
            nn = module("faltung").nn
            inside = np.ascontiguousarray(np.moveaxis(x, 1, -1))
            self.call = lambda: nn.conv(inside, w, layout="NHWC", **options)
        else:
            torch = module("torch")
            tx, tw = torch.from_numpy(x), torch.from_numpy(w)
            if peer == "torch nhwc":
                tx = tx.to(memory_format=torch.channels_last)
                tw = tw.to(memory_format=torch.channels_last)
            elif LAYERS[layer][4] > 16:
                raise NotImplementedError("takes seconds")
            self.call = lambda: torch.nn.functional.conv2d(tx, tw, **options)

    def time_forward(self, *_):
        self.call()


class Backward:
    params = (["faltung", "torch"], list(LAYERS))
    param_names = ("peer", "layer")

    def setup(self, peer, layer):
        x, w, options = arrays(layer)
        nn = module("faltung").nn
        grad = samples(nn.conv(x, w, **options).shape, seed=9)
        if peer == "faltung":
            self.call = lambda: nn.conv_backward(grad, x, w, bias=False, **options)
            return
        if LAYERS[layer][4] > 16:
            raise NotImplementedError("takes seconds")
        torch = module("torch")
        tensors = [torch.from_numpy(a) for a in (grad, x, w)]
        stride, padding = [options["stride"]] * 2, [options["padding"]] * 2
        self.call = lambda: torch.ops.aten.convolution_backward(
            *tensors, None, stride, padding, [1, 1], False, [0, 0], options["groups"], [True, True, False]
        )  # fmt: skip

    def time_backward(self, *_):
        self.call()


class Methods:
    params = (METHODS, list(LAYERS))
    param_names = ("method", "layer")

    def setup(self, method, layer):
        x, w, options = arrays(layer)
        try:
            plan = module("faltung").nn.plan(w, x.shape, method=method, **options)
        except ValueError as error:
            raise NotImplementedError(str(error)) from None
        self.call = lambda: plan(x)

    def time_forward(self, *_):
        self.call()


class BackwardMethods:
    params = (METHODS, list(LAYERS))
    param_names = ("method", "layer")

    def setup(self, method, layer):
        x, w, options = arrays(layer)
        nn = module("faltung").nn
        grad = samples(nn.conv(x, w, **options).shape, seed=9)
        self.call = lambda: nn.conv_backward(grad, x, w, bias=False, method=method, **options)
        try:
            self.call()
        except ValueError as error:
            raise NotImplementedError(str(error)) from None

    def time_backward(self, *_):
        self.call()
