"""DLPack: capsules taken and given, in the host's memory; and the road of device arrays, on a device that is played.

The played device keeps its arrays in the host's memory and says that they are CUDA's; its extension computes by the
core. What really runs on a device is tested in test_cuda.py.
"""

import ctypes
import gc
import weakref
from typing import ClassVar

import numpy as np
import pytest

import faltung
from faltung import _core, _device, cuda

ELEMENTS = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
]
speaks_version_1 = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="this NumPy knows DLPack without versions"
)
NAMES = {False: b"dltensor", True: b"dltensor_versioned"}
CPU, CUDA = (1, 0), (2, 0)


# Structures as the standard has them, built by hand: what no library here gives away


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Plain(ctypes.Structure):
    _fields_ = [("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", Deleter)]


class Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
api = ctypes.pythonapi
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
api.PyCapsule_GetName.restype = ctypes.c_char_p
api.PyCapsule_GetName.argtypes = [ctypes.py_object]


class Handmade:
    """A capsule whose every field can be set; counts how often its deleter is called."""

    # A deleter refers to its capsule, so that only the garbage collector would end either: while the deleter is called.
    alive: ClassVar[list["Handmade"]] = []

    def __init__(self, versioned=True, *, shape=(2, 3), strides=None, code=2, bits=32, **fields):
        self.alive.append(self)
        self.released = 0
        self.memory = (ctypes.c_byte * 4096)()
        self.extents = (ctypes.c_int64 * max(1, len(shape)))(*shape)
        self.steps = None if strides is None else (ctypes.c_int64 * max(1, len(strides)))(*strides)
        self.deleter = Deleter(self._release)
        self.held = (Versioned if versioned else Plain)(deleter=self.deleter)
        if versioned:
            self.held.major, self.held.minor = fields.pop("version", (1, 0))
            self.held.flags = fields.pop("flags", 0)
        tensor = self.held.tensor
        tensor.data = ctypes.addressof(self.memory)
        tensor.device_type, tensor.device_id = fields.pop("device", CPU)
        tensor.ndim, tensor.code, tensor.bits, tensor.lanes = len(shape), code, bits, 1
        tensor.shape = self.extents
        if self.steps is not None:
            tensor.strides = self.steps
        for name, value in fields.items():
            setattr(tensor, name, value)
        name = fields.get("name", NAMES[versioned])
        self.capsule = api.PyCapsule_New(ctypes.addressof(self.held), name, None)

    def _release(self, _):
        self.released += 1


@pytest.mark.parametrize("versioned", [False, True])
def test_a_capsule_is_taken_once_and_given_back_once(versioned):
    made = Handmade(versioned)
    borrowed = _core.Borrowed(made.capsule)
    assert api.PyCapsule_GetName(made.capsule) == b"used_" + NAMES[versioned]
    assert made.released == 0
    with pytest.raises(TypeError, match="taken already"):
        _core.Borrowed(made.capsule)
    del borrowed
    assert made.released == 1
    made.capsule = None
    assert made.released == 1


@pytest.mark.parametrize("versioned", [False, True])
def test_what_a_capsule_says(versioned):
    made = Handmade(versioned, shape=(2, 3, 4), byte_offset=24, device=(13, 5))
    borrowed = _core.Borrowed(made.capsule)
    assert borrowed.address == ctypes.addressof(made.memory) + 24
    assert borrowed.element == "float32"
    assert borrowed.shape == (2, 3, 4)
    assert borrowed.strides == (48, 16, 4)
    assert borrowed.device == (13, 5)
    assert not borrowed.read_only
    made = Handmade(versioned, shape=(2, 3, 4), strides=(-1, 0, 7), code=5, bits=128)
    assert _core.Borrowed(made.capsule).strides == (-16, 0, 112)
    assert _core.Borrowed(Handmade(versioned, shape=(), data=None).capsule).shape == ()
    assert _core.Borrowed(Handmade(True, flags=3).capsule).read_only
    assert not _core.Borrowed(Handmade(True, flags=2).capsule).read_only


@pytest.mark.parametrize(
    ("code", "bits", "element"),
    [
        *[(0, bits, f"int{bits}") for bits in (8, 16, 32, 64)],
        *[(1, bits, f"uint{bits}") for bits in (8, 16, 32, 64)],
        *[(2, bits, f"float{bits}") for bits in (16, 32, 64)],
        *[(4, 16, "bfloat16"), (5, 64, "complex64"), (5, 128, "complex128"), (6, 8, "bool")],
    ],
)
def test_elements(code, bits, element):
    assert _core.Borrowed(Handmade(code=code, bits=bits).capsule).element == element


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"bits": 128}, TypeError, "float128"),
        ({"code": 4, "bits": 32}, TypeError, "bfloat32"),
        ({"code": 0, "bits": 4}, TypeError, "int4"),
        ({"code": 6, "bits": 1}, TypeError, "bool1"),
        ({"code": 10, "bits": 8}, TypeError, "type code 10 with 8 bits"),
        ({"lanes": 4}, TypeError, "float32 in vectors of 4"),
        ({"ndim": -1}, ValueError, "-1 axes"),
        ({"shape": (2, -3)}, ValueError, "axis 1 has -3"),
        ({"shape": (2**40, 2**40)}, ValueError, "larger than"),
        ({"shape": (2, 2), "strides": (2**62, 1)}, ValueError, "larger than"),
    ],
)
def test_what_is_refused_stays_its_owners(versioned, fields, error, words):
    made = Handmade(versioned, **fields)
    with pytest.raises(error, match=words):
        _core.Borrowed(made.capsule)
    assert api.PyCapsule_GetName(made.capsule) == NAMES[versioned]
    assert made.released == 0


def test_other_versions_and_other_things():
    made = Handmade(version=(2, 1))
    with pytest.raises(ValueError, match=r"version 2\.1 of DLPack"):
        _core.Borrowed(made.capsule)
    assert made.released == 0
    _core.Borrowed(Handmade(version=(1, 7)).capsule)
    for other in (None, "dltensor", np.ones(3)):
        with pytest.raises(TypeError, match="__dlpack__ gave"):
            _core.Borrowed(other)
    nameless = api.PyCapsule_New(ctypes.addressof(made.held), b"something", None)
    with pytest.raises(TypeError, match="capsule"):
        _core.Borrowed(nameless)


@pytest.mark.parametrize("version", [None, (1, 0)])
@pytest.mark.parametrize("element", ELEMENTS)
@speaks_version_1
def test_arrays_of_numpy(element, version):
    x = np.zeros((4, 6, 5), element)[::2, ::-1, 1:]
    watched = weakref.ref(x)
    borrowed = _core.Borrowed(x.__dlpack__(max_version=version))
    assert borrowed.address == x.__array_interface__["data"][0]
    assert (borrowed.element, borrowed.shape, borrowed.strides) == (element, x.shape, x.strides)
    assert borrowed.device == CPU
    del x
    gc.collect()
    assert watched() is not None
    del borrowed
    assert watched() is None


@speaks_version_1
def test_read_only_arrays_of_numpy():
    x = np.ones(3)
    x.flags.writeable = False
    assert _core.Borrowed(x.__dlpack__(max_version=(1, 0))).read_only


def test_tensors_of_torch():
    torch = pytest.importorskip("torch")
    for element in ("uint8", "int64", "float16", "bfloat16", "float32", "complex64", "bool"):
        x = torch.zeros((4, 6), dtype=getattr(torch, element)).T[1:, ::2]
        borrowed = _core.Borrowed(x.__dlpack__())
        assert borrowed.element == element
        assert borrowed.shape == tuple(x.shape)
        assert borrowed.strides == tuple(s * x.element_size() for s in x.stride())
        assert borrowed.address == x.data_ptr()


class Lender:
    """A NumPy array handed out by a capsule of ours."""

    def __init__(self, array, versioned, read_only=False):
        self.array, self.versioned, self.read_only = array, versioned, read_only

    def __dlpack_device__(self):
        return CPU

    def __dlpack__(self, **_):
        return _core.dlpack_capsule(
            self.array.__array_interface__["data"][0], self.array.dtype.name, self.array.shape,
            CPU, self, self.versioned, self.read_only,
        )  # fmt: skip


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("element", ELEMENTS)
def test_capsules_of_ours(versioned, element):
    array = np.arange(24).reshape(2, 3, 4).astype(element)
    lender = Lender(array, versioned)
    watched = weakref.ref(lender)
    theirs = np.from_dlpack(lender)
    np.testing.assert_array_equal(theirs, array)
    assert np.shares_memory(theirs, array)
    untaken = lender.__dlpack__()
    del lender
    assert watched() is not None
    del theirs
    assert watched() is not None
    del untaken
    assert watched() is None


@speaks_version_1
def test_capsules_of_ours_say_what_is_read_only():
    array = np.ones(3)
    assert not np.from_dlpack(Lender(array, True, read_only=True)).flags.writeable
    assert np.from_dlpack(Lender(array, True)).flags.writeable


def test_what_a_capsule_cannot_say():
    array = np.ones(3)
    with pytest.raises(ValueError, match="read-only"):
        Lender(array, False, read_only=True).__dlpack__()
    with pytest.raises(TypeError, match="no elements of type str"):
        _core.dlpack_capsule(0, "str", (1,), CPU, None, True, False)


# Where arrays are


class Elsewhere:
    def __init__(self, device):
        self.device = device

    def __dlpack_device__(self):
        return self.device


@pytest.mark.parametrize(
    ("device", "named"),
    [((10, 1), "ROCm"), ((8, 0), "Metal"), ((14, 2), "oneAPI"), ((99, 0), "unknown")],
)
def test_other_devices_are_named(device, named):
    array = Elsewhere(device)
    for call in (
        lambda: faltung.convolve(array, [1.0]),
        lambda: faltung.nn.conv(array, np.ones((1, 1, 3))),
        lambda: faltung.match_template(array, np.ones(3)),
    ):
        with pytest.raises(
            TypeError, match=rf"is in {named} memory .*\({device[0]}, {device[1]}\)"
        ):
            call()
    with pytest.raises(TypeError, match="k is in"):
        faltung.convolve(np.ones(3), array)


def test_arrays_of_the_host_are_not_a_devices():
    torch = pytest.importorskip("torch")
    assert not _device.is_device_array(Elsewhere((1, 0)))
    assert not _device.is_device_array(Elsewhere((3, 0)))
    assert _device.is_device_array(Elsewhere((2, 0)))
    assert not _device.is_device_array(torch.ones(3))
    assert faltung.convolve(torch.ones(3), torch.ones(2)).tolist() == [1, 2, 2, 1]


# A device that is played


def at(address, element, shape, strides):
    """The array at an address of the host."""
    described = {"data": (address, False), "strides": strides, "shape": shape, "version": 3}
    holder = type("Holder", (), {})()
    holder.__array_interface__ = described | {"typestr": np.dtype(element).str}
    return np.asarray(holder)


class PlayedExtension:
    """What faltung._cuda does, by the core and in the host's memory; says in `log` what it was asked."""

    Request = _core.Request

    def __init__(self):
        self.log = []

    def device_count(self):
        return 1, ""

    def Memory(self, size, device):
        memory = np.zeros(max(1, size), np.uint8)
        played = type("Memory", (), {})()
        played.memory, played.address = memory, memory.__array_interface__["data"][0]
        played.copy_to = lambda to: to.reshape(-1).view(np.uint8).__setitem__(..., memory[:size])
        return played

    def View(self, address, element, shape, strides):
        return at(address, element, shape, strides)

    def run(self, request, x, k, out, device, stream):
        self.log.append(("run", stream))
        _core.run(request, x, k, out, None)

    def synchronize(self, stream, device):
        self.log.append(("synchronize", stream))

    def wait_for(self, writer, reader, device):
        self.log.append(("wait_for", writer, reader))


@pytest.fixture
def played(monkeypatch):
    extension = PlayedExtension()
    monkeypatch.setattr(cuda, "_loaded", extension)
    return extension


class Namespace:
    @staticmethod
    def from_dlpack(array):
        assert array.__dlpack_device__() == CUDA
        borrowed = _core.Borrowed(array.__dlpack__(stream=7, max_version=(1, 0)))
        kept = at(borrowed.address, borrowed.element, borrowed.shape, borrowed.strides).copy()
        return Foreign(kept)


class Foreign:
    """An array of a library that speaks DLPack."""

    def __init__(self, array, *, read_only=False, old=False, namespace=True):
        self.array, self.read_only, self.old = array, read_only, old
        self.asked = []
        self.lent = []
        if namespace:
            self.__array_namespace__ = lambda: Namespace

    def __dlpack_device__(self):
        return CUDA

    def __dlpack__(self, *, stream=None, **newer):
        if self.old and newer:
            raise TypeError("unexpected keyword argument")
        self.asked.append((stream, newer))
        a = self.array
        made = Handmade(
            not self.old, shape=a.shape, strides=[s // a.itemsize for s in a.strides], device=CUDA,
            bits=a.itemsize * 8, data=a.__array_interface__["data"][0],
            **({} if self.old else {"flags": int(self.read_only)}),
        )  # fmt: skip
        self.lent.append(made)
        return made.capsule


def test_there_and_back(played, rng):
    x, k = rng.normal(size=(2, 30)).astype(np.float32)
    wanted = faltung.convolve(x[::2], k[:5])
    there, kernel = Foreign(x[::2]), Foreign(k[:5])
    answer = faltung.convolve(there, kernel)
    assert type(answer) is Foreign
    np.testing.assert_array_equal(answer.array, wanted)
    # asked for on the default stream, and held until the work on it was over
    assert there.asked == [(1, {"max_version": (1, 0)})]
    assert [name for name, *_ in played.log] == ["run", "synchronize", "wait_for"]
    assert played.log[-1] == ("wait_for", 0, 7)
    assert [made.released for made in there.lent + kernel.lent] == [1, 1]


def test_libraries_from_before_version_1(played):
    there = Foreign(np.ones(9), old=True)
    answer = faltung.correlate(there, np.ones(2), "valid")
    assert there.asked == [(1, {})]
    assert there.lent[0].released == 1
    np.testing.assert_array_equal(answer.array, np.full(8, 2.0))


def test_without_a_namespace_the_answer_is_ours(played):
    there = Foreign(np.arange(5.0), namespace=False)
    answer = faltung.convolve(there, np.array([1.0, 1.0]))
    assert isinstance(answer, cuda.Array)
    assert answer.numpy().tolist() == [0, 1, 3, 5, 7, 4]
    assert faltung.convolve(answer, np.array([2.0])).numpy().tolist() == [0, 2, 6, 10, 14, 8]


def test_into_an_array_of_theirs(played):
    there, out = Foreign(np.arange(5.0)), Foreign(np.zeros(5))
    assert faltung.convolve(there, np.array([2.0]), "same", out=out) is out
    assert out.array.tolist() == [0, 2, 4, 6, 8]
    assert out.lent[0].released == 1
    with pytest.raises(ValueError, match="out is read-only"):
        faltung.convolve(there, np.array([2.0]), "same", out=Foreign(np.zeros(5), read_only=True))
    with pytest.raises(ValueError, match="out overlaps x"):
        faltung.convolve(there, np.array([2.0]), "same", out=there)
    assert all(made.released == 1 for made in there.lent)
    assert faltung.convolve(Foreign(np.ones(2), read_only=True), [1.0]).array.tolist() == [1, 1]


def test_what_a_capsule_says_counts(played):
    class Liar(Foreign):
        def __dlpack__(self, **_):
            return Handmade(device=CPU).capsule

    with pytest.raises(TypeError, match="x says that it is in CUDA memory"):
        faltung.convolve(Liar(np.ones(3)), [1.0])


def test_arrays_of_ours_are_everybodys(played):
    array = cuda.Array((2, 3), "float32", 0, stream=5)
    described = array.__cuda_array_interface__
    assert (described["shape"], described["typestr"], described["stream"]) == ((2, 3), "<f4", 5)
    assert cuda.Array((1,), "float32", 0).__cuda_array_interface__["stream"] == 1
    assert array.__dlpack_device__() == CUDA
    watched = weakref.ref(array)
    for stream, waited in ((None, 0), (1, 0), (2, 2), (9, 9)):
        played.log.clear()
        borrowed = _core.Borrowed(array.__dlpack__(stream=stream))
        assert played.log == [("wait_for", 5, waited)]
    played.log.clear()
    array.__dlpack__(stream=-1)
    array.__dlpack__(stream=5)
    assert played.log == []
    assert borrowed.device == CUDA
    with pytest.raises(ValueError, match="stream is 0"):
        array.__dlpack__(stream=0)
    for options in ({"copy": True}, {"dl_device": CPU}):
        with pytest.raises(BufferError):
            array.__dlpack__(**options)
    array.__dlpack__(copy=False, dl_device=CUDA)
    half = cuda.Array((3,), "bfloat16", 0)
    assert _core.Borrowed(half.__dlpack__(max_version=(1, 0))).element == "bfloat16"
    with pytest.raises(AttributeError, match="no bfloat16"):
        half.__cuda_array_interface__  # noqa: B018
    assert _device.is_device_array(half)
    assert _device.describe(half, "x").type == "bfloat16"
    del array
    assert watched() is not None
    del borrowed
    assert watched() is None


def test_the_other_interface(played):
    class Other:
        def __init__(self, array, **more):
            described = array.__array_interface__
            self.__cuda_array_interface__ = {
                "shape": array.shape, "typestr": described["typestr"], "data": described["data"],
                "strides": array.strides, "version": 3, **more,
            }  # fmt: skip

    played.device_of = lambda address: 0
    x = np.arange(6.0)
    answer = faltung.convolve(Other(x, stream=4), np.array([1.0]), "same")
    assert (answer.numpy() == x).all()
    assert played.log == [("run", 4), ("synchronize", 4)]
    with pytest.raises(TypeError, match="masked"):
        faltung.convolve(Other(x, mask=Other(x)), [1.0])
    x.flags.writeable = False
    with pytest.raises(ValueError, match="out is read-only"):
        faltung.convolve(Other(np.ones(6)), [1.0], "same", out=Other(x))
