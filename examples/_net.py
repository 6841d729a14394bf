"""A small net on NumPy and faltung.nn: layers that know their gradients, and Adam."""

import sys
import time

import numpy as np

from faltung import nn


class Layer:
    """forward() keeps what backward() needs; gradients stand beside their parameters."""

    def __init__(self, **parameters):
        self.parameters = {name: value.astype(np.float32) for name, value in parameters.items()}
        self.gradients = {}


def he(rng, shape, inputs):
    """Normal weights that keep the variance of what goes through a relu (He et al. 2015)."""
    return rng.standard_normal(shape) * np.sqrt(2 / inputs)


class Conv(Layer):
    def __init__(self, rng, inputs, outputs, size, **options):
        super().__init__(
            w=he(rng, (outputs, inputs, size, size), inputs * size * size), b=np.zeros(outputs)
        )
        self.options = options

    def forward(self, x):
        self.x = x
        return nn.conv(x, self.parameters["w"], self.parameters["b"], **self.options)

    def backward(self, grad):
        dx, dw, db = nn.conv_backward(grad, self.x, self.parameters["w"], **self.options)
        self.gradients = {"w": dw, "b": db}
        return dx


class ConvTranspose(Layer):
    """The adjoint of a Conv, so that forward and backward change places."""

    def __init__(self, rng, inputs, outputs, size, **options):
        stride = options.get("stride", 1)
        super().__init__(
            w=he(rng, (inputs, outputs, size, size), inputs * size * size / stride**2),
            b=np.zeros(outputs),
        )
        self.options = options

    def forward(self, x):
        self.x = x
        return nn.conv_transpose(x, self.parameters["w"], self.parameters["b"], **self.options)

    def backward(self, grad):
        _, dw, _ = nn.conv_backward(self.x, grad, self.parameters["w"], **self.options)
        dx = nn.conv(grad, self.parameters["w"], **self.options)
        self.gradients = {"w": dw, "b": grad.sum((0, 2, 3))}
        return dx


class Relu(Layer):
    def forward(self, x):
        self.positive = x > 0
        return x * self.positive

    def backward(self, grad):
        return grad * self.positive


class MaxPool(Layer):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        self.x = x
        return nn.max_pool(x, self.size)

    def backward(self, grad):
        return nn.max_pool_backward(grad, self.x, self.size)


class Dense(Layer):
    def __init__(self, rng, inputs, outputs):
        super().__init__(w=he(rng, (inputs, outputs), inputs), b=np.zeros(outputs))

    def forward(self, x):
        self.x = x
        return x @ self.parameters["w"] + self.parameters["b"]

    def backward(self, grad):
        self.gradients = {"w": self.x.T @ grad, "b": grad.sum(0)}
        return grad @ self.parameters["w"].T


class Reshape(Layer):
    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        self.before = x.shape
        return x.reshape(len(x), *self.shape)

    def backward(self, grad):
        return grad.reshape(self.before)


class Net:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x, until=None):
        for layer in self.layers[:until]:
            x = layer.forward(x)
        return x

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)


class Adam:
    """Adam (Kingma and Ba 2015), the rate falling along a half cosine."""

    def __init__(self, net, rate, steps):
        self.net, self.rate, self.steps, self.step = net, rate, steps, 0
        self.means = [
            {name: (np.zeros_like(p), np.zeros_like(p)) for name, p in layer.parameters.items()}
            for layer in net.layers
        ]

    def update(self):
        rate = self.rate * 0.5 * (1 + np.cos(np.pi * self.step / self.steps))
        self.step += 1
        for layer, means in zip(self.net.layers, self.means, strict=True):
            for name, (first, second) in means.items():
                gradient = layer.gradients[name]
                first += 0.1 * (gradient - first)
                second += 0.001 * (gradient**2 - second)
                size = np.sqrt(second / (1 - 0.999**self.step)) + 1e-8
                layer.parameters[name] -= rate / (1 - 0.9**self.step) * first / size


def softmax_loss(scores, labels):
    """Mean cross-entropy, and its gradient."""
    shifted = scores - scores.max(1, keepdims=True)
    chances = np.exp(shifted)
    chances /= chances.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(chances[rows, labels] + 1e-12).mean()
    chances[rows, labels] -= 1
    return float(loss), chances / len(labels)


def batches(rng, count, size):
    """A random order, cut into pieces."""
    order = rng.permutation(count)
    return [order[i : i + size] for i in range(0, count, size)]


def progress(done, total, start, told):
    """A bar on one line of the terminal."""
    if not sys.stderr.isatty() and done < total:
        return
    filled = round(24 * done / total)
    seconds = time.perf_counter() - start
    end = "\n" if done == total else ""
    print(
        f"\r  {'█' * filled}{'░' * (24 - filled)} {done}/{total}  {told}  {seconds:.1f} s",
        end=end,
        file=sys.stderr,
        flush=True,
    )
