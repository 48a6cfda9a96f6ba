import numpy as np
import pytest

from minidrop.data import batches, prepare_images

X = np.arange(10, dtype=np.float32).reshape(10, 1)
Y = np.arange(10)


def labels_of(iterator):
    return [yb.tolist() for _, yb in iterator]


def test_odd_tail():
    got = batches(X, Y, 4, shuffle=False)
    assert len(got) == 3
    assert labels_of(got) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_drop_last():
    got = batches(X, Y, 4, shuffle=False, drop_last=True)
    assert len(got) == 2
    assert labels_of(got) == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_batch_larger_than_data():
    assert labels_of(batches(X, Y, 99, shuffle=False)) == [Y.tolist()]
    assert list(batches(X, Y, 99, drop_last=True)) == []


def test_empty():
    got = batches(X[:0], Y[:0], 4)
    assert len(got) == 0
    assert list(got) == []


def test_shuffle_keeps_pairs_and_loses_none():
    for xb, yb in batches(X, Y, 3):
        np.testing.assert_array_equal(xb[:, 0], yb)
    assert sorted(sum(labels_of(batches(X, Y, 3)), [])) == Y.tolist()


def test_each_iter_is_the_next_epoch():
    got = batches(X, Y, 3, seed=5)
    first, second = labels_of(got), labels_of(got)
    assert got.epoch == 2
    assert first != second
    again = batches(X, Y, 3, seed=5)
    assert [labels_of(again), labels_of(again)] == [first, second]
    assert labels_of(got.iterate(0)) == first and got.epoch == 2


def test_seeds_differ():
    orders = {str(labels_of(batches(X, Y, 3, seed=seed))) for seed in range(5)}
    assert len(orders) == 5


@pytest.mark.parametrize("first", range(5))
def test_starts_at_any_batch(first):
    got = batches(X, Y, 3, seed=1)
    assert labels_of(got.iterate(7, first_batch=first)) == labels_of(got.iterate(7))[first:]


def test_order_is_frozen():
    """This order is promised for ever: a change of it is a change of everyone's runs."""
    got = batches(X, Y, 10, seed=2**64 - 1)
    assert labels_of(got.iterate(0)) == [[0, 3, 1, 4, 5, 7, 6, 8, 2, 9]]
    assert labels_of(got.iterate(1)) == [[7, 2, 1, 6, 9, 5, 8, 4, 0, 3]]


def test_images_become_float():
    x = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 15
    got = prepare_images(x)
    assert got.shape == (2, 3, 3, 1) and got.dtype == np.float32
    np.testing.assert_array_equal(got[..., 0], x.astype(np.float32) / np.float32(255))
    assert prepare_images(np.full((1, 2, 2, 3), 255, np.uint8)).tolist() == [[[[1.0] * 3] * 2] * 2]
    assert prepare_images(x[:0]).shape == (0, 3, 3, 1)


@pytest.mark.parametrize("x", [X, X.astype(np.float64), Y, np.zeros((4, 5), np.uint8)])
def test_other_data_stays_as_it_is(x):
    assert prepare_images(x) is x


def test_transform_sees_raw_samples():
    x = np.zeros((4, 2, 2), np.uint8)
    seen = []

    def flatten(xb):
        seen.append(xb.dtype)
        return xb.reshape(len(xb), -1)

    (xb,) = batches(x, None, 4, transform=flatten)
    assert seen == [np.uint8] and xb.dtype == np.uint8 and xb.shape == (4, 4)


def test_transform_that_returns_images_is_followed_by_scaling():
    (xb,) = batches(np.zeros((4, 2, 2), np.uint8), None, 4, transform=lambda xb: 255 - xb)
    assert xb.shape == (4, 2, 2, 1) and (xb == 1).all()


def test_batches_own_their_data():
    x = X.copy()
    for shuffle in (True, False):
        for xb, yb in batches(x, Y, 4, shuffle=shuffle):
            assert not np.shares_memory(xb, x) and not np.shares_memory(yb, Y)
            xb[:] = -1
    np.testing.assert_array_equal(x, X)


def test_transform_may_write():
    def negate(xb):
        xb *= -1
        return xb

    x = X.copy()
    (xb,) = batches(x, None, 10, shuffle=False, transform=negate)
    np.testing.assert_array_equal(xb, -X)
    np.testing.assert_array_equal(x, X)


def test_read_only_and_non_contiguous():
    x = np.arange(40, dtype=np.float32).reshape(20, 2)[::-2]
    x.setflags(write=False)
    (xb,) = batches(x, None, 10, shuffle=False)
    np.testing.assert_array_equal(xb, x)


def test_lists():
    assert labels_of(batches([[1.0], [2.0]], [0, 1], 2, shuffle=False)) == [[0, 1]]


@pytest.mark.parametrize(
    "error, change, message",
    [
        (ValueError, {"batch_size": 0}, "batch_size must be at least 1, got 0"),
        (ValueError, {"batch_size": -(2**70)}, "batch_size must be .* got -"),
        (TypeError, {"batch_size": 2.5}, "batch_size must be an int, got 2.5"),
        (TypeError, {"batch_size": True}, "batch_size must be an int, got True"),
        (ValueError, {"y": Y[:9]}, "samples, got 10 and 9"),
        (ValueError, {"x": 3.0}, "x must be .* got float of shape"),
        (ValueError, {"x": {"a": 1}}, "x must be .* got dict"),
        (ValueError, {"seed": -1}, "seed must be .* got -1"),
        (ValueError, {"seed": 2**64}, "seed must be .* got 18446744073709551616"),
        (TypeError, {"seed": None}, "seed must be .* got None"),
        (TypeError, {"transform": "flip"}, "transform must be .* got 'flip'"),
    ],
)
def test_bad_arguments(error, change, message):
    with pytest.raises(error, match=message):
        batches(**{"x": X, "y": Y, "batch_size": 4} | change)


def test_first_batch_out_of_range():
    with pytest.raises(ValueError, match="first_batch must be at most 3, got 4"):
        batches(X, Y, 4).iterate(0, first_batch=4)
