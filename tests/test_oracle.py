"""The oracle against peers and against sums done by hand, so that the rest may lean on it."""

import numpy as np
import oracle
import pytest
from bounds import rounded
from scipy import ndimage, signal

NDIMAGE = {  # ours: SciPy's word for it
    "zero": "grid-constant",
    "constant": "grid-constant",
    "edge": "nearest",
    "symmetric": "reflect",
    "mirror": "mirror",
    "wrap": "grid-wrap",
}
PAD = {  # and NumPy's
    "zero": "constant",
    "constant": "constant",
    "edge": "edge",
    "symmetric": "symmetric",
    "mirror": "reflect",
    "wrap": "wrap",
}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize(("n", "taps"), [(9, 4), (8, 3), (5, 5), (6, 1)])
def test_one_axis_against_numpy(rng, mode, n, taps):
    x, k = rng.standard_normal(n), rng.standard_normal(taps)
    np.testing.assert_allclose(
        oracle.convolve(x, k, mode).value, np.convolve(x, k, mode), atol=1e-14
    )


@pytest.mark.parametrize("name", ["convolve", "correlate"])
@pytest.mark.parametrize("mode", oracle.MODES)
@pytest.mark.parametrize(
    ("shape", "kernel"), [((7,), (4,)), ((6, 9), (3, 4)), ((6, 5), (4, 5)), ((4, 5, 6), (2, 3, 3))]
)
def test_modes_against_signal(rng, name, mode, shape, kernel):
    x = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    k = rng.standard_normal(kernel) + 1j * rng.standard_normal(kernel)
    truth = getattr(oracle, name)(x, k, mode)
    expected = getattr(signal, name)(x, k, mode, method="direct")
    np.testing.assert_allclose(truth.value.astype(complex), expected, atol=1e-13)


def test_same_of_a_longer_kernel_keeps_the_shape_of_x(rng):
    x, k = rng.standard_normal(4), rng.standard_normal(9)
    expected = signal.convolve(x, k, "same", method="direct")
    assert expected.shape == (4,)
    np.testing.assert_allclose(oracle.convolve(x, k, "same").value, expected, atol=1e-14)


@pytest.mark.parametrize("boundary", oracle.BOUNDARIES)
@pytest.mark.parametrize(
    ("shape", "kernel"),
    [((9,), (3,)), ((4,), (11,)), ((5, 7), (3, 5)), ((2, 3), (7, 9)), ((1, 6), (5, 3))],
)
def test_boundaries_against_ndimage(rng, boundary, shape, kernel):
    # an odd kernel sits on its middle in both worlds
    x, k = rng.standard_normal(shape), rng.standard_normal(kernel)
    cval = 1.75 if boundary == "constant" else 0
    options = {"mode": NDIMAGE[boundary], "cval": cval}
    for ours, theirs in (
        (oracle.convolve, ndimage.convolve),
        (oracle.correlate, ndimage.correlate),
    ):
        truth = ours(x, k, "same", boundary=boundary, cval=cval)
        np.testing.assert_allclose(truth.value, theirs(x, k, **options), atol=1e-13)


@pytest.mark.parametrize("boundary", oracle.BOUNDARIES)
@pytest.mark.parametrize(("n", "taps"), [(5, 4), (3, 12), (1, 6)])
def test_full_is_valid_of_the_padded_array(rng, boundary, n, taps):
    x, k = rng.standard_normal(n), rng.standard_normal(taps)
    cval = -0.5 if boundary == "constant" else 0
    values = {"constant_values": cval} if PAD[boundary] == "constant" else {}
    padded = np.pad(x, taps - 1, mode=PAD[boundary], **values)
    truth = oracle.convolve(x, k, "full", boundary=boundary, cval=cval)
    np.testing.assert_allclose(truth.value, np.convolve(padded, k, "valid"), atol=1e-13)


def test_constants_meet_in_the_corner():
    # one sample, 3 x 3 ones: eight neighbours are the constant, corners too
    truth = oracle.convolve(
        np.array([[5]]), np.ones((3, 3), int), "same", boundary="constant", cval=2
    )
    assert truth.value.tolist() == [[5 + 8 * 2]]


def test_by_hand():
    x, k = np.array([1, 2, 3]), np.array([1, 10])
    assert oracle.convolve(x, k).value.tolist() == [1, 12, 23, 30]
    assert oracle.convolve(x, k, "same").value.tolist() == [1, 12, 23]
    assert oracle.convolve(x, k, "valid").value.tolist() == [12, 23]
    assert oracle.correlate(x, k).value.tolist() == [10, 21, 32, 3]
    assert oracle.convolve(x, k, boundary="edge").value.tolist() == [11, 12, 23, 33]
    assert oracle.convolve(x, k, boundary="wrap").value.tolist() == [31, 12, 23, 31]
    assert oracle.convolve(x, k, boundary="mirror").value.tolist() == [21, 12, 23, 32]
    assert oracle.convolve(x, k, boundary="constant", cval=7).value.tolist() == [71, 12, 23, 37]


def test_correlate_conjugates_the_kernel():
    assert oracle.correlate(np.array([1j]), np.array([1j])).value.tolist() == [1]


def test_step_and_dilation_by_hand():
    x, k = np.arange(1, 8), np.array([1, 100])
    assert oracle.correlation(x, k, "valid", step=2).value.tolist() == [201, 403, 605]
    assert oracle.correlation(x, k, "valid", dilation=3).value.tolist() == [401, 502, 603, 704]


def test_axes_name_the_axis_of_x_behind_each_axis_of_k(rng):
    x, k = rng.standard_normal((4, 5, 6)), rng.standard_normal((2, 3))
    swapped = oracle.convolve(x, k, axes=(2, 0)).value
    for row in range(5):
        np.testing.assert_allclose(swapped[:, row], signal.convolve2d(x[:, row], k.T), atol=1e-14)
    lines = oracle.convolve(x, k[0], "same", axes=-2).value
    np.testing.assert_allclose(lines[1, :, 4], np.convolve(x[1, :, 4], k[0], "same"), atol=1e-14)


def test_integers_are_exact_beyond_64_bits():
    truth = oracle.convolve(np.array([2**63, 3], np.uint64), np.array([4, -1]))
    assert truth.value.tolist() == [2**65, 12 - 2**63, -3]


def test_window_holds_what_the_output_depends_on():
    x = np.array([3.0, 4.0, np.nan, 1.0])
    truth = oracle.convolve(x, np.ones(2))
    assert truth.window.tolist() == [3, 5, 4, 1, 1]
    assert truth.touched.tolist() == [False, False, True, True, False]
    assert truth.peak == 4
    assert truth.taps == 2


def test_rounding_is_half_to_even_and_saturates():
    values = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 300, -300, np.nan, np.inf, -np.inf])
    assert rounded(values, np.dtype(np.int8)).tolist() == [0, 2, 2, 0, -2, 127, -128, 0, 127, -128]
