"""Mask bits: the generator's known answers, the layout of the stream, and the statistics."""

import chacha8
import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, hashes

from minidrop import _kernels

ISAS = _kernels.available_isas()
RATES = (0.001, 0.05, 0.1, 0.2, 0.25, 0.3, 1 / 3, 0.5, 0.75, 0.9, 0.95, 0.999)
# of 1, 2, 3, 8, 9, 16, 17, 18 and 32 digits
EDGE_RATES = (
    0.5,
    0.25,
    0.125,
    1 / 256,
    1 / 512,
    2**-16,
    2**-17,
    0.5 + 2**-18,
    0.2,
    1 - 2**-32,
    2**-32,
)
SIGMAS = 5.33  # two-sided 1e-7

# draft-strombergson-chacha-test-vectors-01, ChaCha8 with keys of 256 bits: key, IV, two blocks
PUBLISHED = {
    "zeros": (
        "00" * 32,
        "00" * 8,
        "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e"
        "984ce172b9216f419f445367456d5619314a42a3da86b001387bfdb80e0cfe42"
        "d2aefa0deaa5c151bf0adb6c01f2a5adc0fd581259f9a2aadcf20f8fd566a26b"
        "5032ec38bbc5da98ee0c6f568b872a65a08abf251deb21bb4b56e5d8821e68aa",
    ),
    "one_key_bit": (
        "01" + "00" * 31,
        "00" * 8,
        "cf5ee9a0494aa9613e05d5ed725b804b12f4a465ee635acc3a311de8740489ea"
        "289d04f43c7518db56eb4433e498a1238cd8464d3763ddbb9222ee3bd8fae3c8"
        "b4355a7d93dd8867089ee643558b95754efa2bd1a8a1e2d75bcdb32015542638"
        "291941feb49965587c4fdfe219cf0ec132a6cd4dc067392e67982fe53278c0b4",
    ),
    "one_iv_bit": (
        "00" * 32,
        "01" + "00" * 7,
        "2b8f4bb3798306ca5130d47c4f8d4ed13aa0edccc1be6942090faeeca0d7599b"
        "7ff0fe616bb25aa0153ad6fdc88b954903c22426d478b97b22b8f9b1db00cf06"
        "470bdffbc488a8b7c701ebf4061d75c5969186497c95367809afa80bd843b040"
        "a79abc6e73a91757f1db73c8eacfa543b38f289d065ab2f3032d377b8c37fe46",
    ),
    "all_ones": (
        "ff" * 32,
        "ff" * 8,
        "e163bbf8c9a739d18925ee8362dad2cdc973df05225afb2aa26396f2a9849a4a"
        "445e0547d31c1623c537df4ba85c70a9884a35bcbf3dfab077e98b0f68135f54"
        "81d4933f8b322ac0cd762c27235ce2b31534e0244a9a2f1fd5e94498d47ff108"
        "790c009cf9e1a348032a7694cb28024cd96d3498361edb1785af752d187ab54b",
    ),
    "all_your_base": (
        "c46ec1b18ce8a878725a37e780dfb7351f68ed2e194c79fbc6aebee1a667975d",
        "1ada31d5cf688221",
        "838751b42d8ddd8a3d77f48825a2ba752cf4047cb308a5978ef274973be374c9"
        "6ad848065871417b08f034e681fe46a93f7d5c61d1306614d4aaf257a7cff08b"
        "16f2fda170cc18a4b58a2667ed962774af792a6e7f3c77992540711a7a136d7e"
        "8a2f8d3f93816709d45a3fa5f8ce72fde15be7b841acba3a2abd557228d9fe4f",
    ),
}

GOLDEN = {
    "half": "9069d449e3602fcfa196e5b645612730500f8b4244e1f2df52ba0cc7e3743537",
    "half_again": "63f618c7e6022eb93c4c8c761ddb794ad48a6ea0aaec3e10d0924a4769326db4",
    "half_far": "23990bbe24f885427b3e2168b17ce6d1dc752985f1a0a1347e245c1c8e5dc0ec",
    "quarter": "d84053738ec27efa7a7b81eb8124a4e6b765a6f5174d2bd499c2e9948e79d13d",
    "three_quarters": "3b1f84780bd71284cd7c9bb9408c1aeb7b61179a8820397526d8c2344545c3b5",
    "eighth": "760f156b51bfef9f15231c6bc1cdddc4e0b938740aaa6e9237cff5795f5bdf41",
    "eight_digits": "e25ed8db875a04af17ffed0cc0c0e76f585fe4f8f9e7a3962b229938ae136355",
    "sixteen_digits": "bdb9d8ee2a6c2520b251fddbefe604e93c4fc51cd4d4c73ba348135192961624",
    "tenth": "0d024cc6b1897cd77852b05217b1f3849d01442881f4ce901984254d72b7ec24",
    "fifth": "00d94a4a4605d2da8cab79affb642a2021bfb4f1a18d8d3c8155120807ed75fc",
    "fifth_far": "b1ed221a53abce15c99077aea0c584cd4ad1409de9aa474bcf62c635b16d039b",
    "third": "651f047820f3655554276da30fdc48119d9661f9d647980e2299430aaa1b648a",
    "nearly_all": "2f3f1e1e217c1a45864ed9bd29df88f2c66d853fc936f8596d452cdc0baed45f",
}


def keeps(n, p, seed, stream=0, call=0, first=0):
    """Mask bits as an array of n zeros and ones."""
    bits = _kernels.mask_bits(n, p, seed, stream, call, first)
    return np.unpackbits(bits.astype("<u4").view(np.uint8), count=n, bitorder="little")


# ---- known answers ----


@pytest.mark.parametrize("name", PUBLISHED)
def test_python_twin_gives_the_published_blocks(name):
    key, iv, stream = (bytes.fromhex(text) for text in PUBLISHED[name])
    key = np.frombuffer(key, "<u4").tolist()
    nonce = int.from_bytes(iv, "little")
    got = np.array([chacha8.block(key, counter, nonce) for counter in (0, 1)], "<u4")
    assert got.tobytes() == stream


@pytest.mark.parametrize(
    "name, address", [("zeros", (0, 0, 0)), ("one_key_bit", (1, 0, 0)), ("one_iv_bit", (0, 0, 1))]
)
def test_published_blocks(isa, name, address):
    superblock = _kernels.random_words(256, *address).reshape(16, 16)
    blocks = superblock[:, :2].T.astype("<u4")  # lanes 0 and 1
    assert blocks.tobytes() == bytes.fromhex(PUBLISHED[name][2])


@pytest.mark.parametrize("number", [0, 17, 2**28 - 1, 2**28, 2**40 + 3])
def test_every_part_of_an_address(isa, number):
    """The counter has 64 bits, and seed, stream, call and domain their own words."""
    seed, stream, call = 2**63 + 5, 2**64 - 3, 2**32 + 1
    words = _kernels.random_words(16, seed, stream, call, first=16 * number, domain=77)
    expected = chacha8.vector(number, seed, stream, call, domain=77)
    assert sum(int(word) << 32 * lane for lane, word in enumerate(words)) == expected


def test_words_from_anywhere(isa):
    whole = _kernels.random_words(1000, 3, 1, 4)
    for first, n in [(0, 0), (1, 15), (255, 2), (256, 256), (300, 700)]:
        assert_same_bits(_kernels.random_words(n, 3, 1, 4, first), whole[first : first + n])


# ---- the layout of masks ----


@pytest.mark.parametrize("p", EDGE_RATES)
def test_against_plain_python(isa, p):
    threshold = round((1 - p) * 2**32)
    chunk = 21
    expected = chacha8.keeps(chunk, threshold, 5, 6, 7)
    np.testing.assert_array_equal(keeps(512, p, 5, 6, 7, 512 * chunk), expected)


@pytest.mark.parametrize(
    "name, p, n, address",
    [
        ("half", 0.5, 100_000, (0, 0, 0, 0)),
        ("half_again", 0.5, 100_000, (1, 2, 3, 0)),
        ("half_far", 0.5, 100_000, (1, 2, 3, 2**45 + 77)),
        ("quarter", 0.25, 100_000, (2**64 - 1, 0, 0, 0)),
        ("three_quarters", 0.75, 99_999, (0, 2**64 - 1, 0, 1)),
        ("eighth", 0.125, 70_001, (0, 0, 2**64 - 1, 31)),
        ("eight_digits", 3 / 256, 70_000, (9, 9, 9, 512)),
        ("sixteen_digits", 3 / 65536, 70_000, (9, 9, 9, 8192)),
        ("tenth", 0.1, 70_000, (0, 0, 0, 0)),
        ("fifth", 0.2, 70_000, (0, 1, 0, 0)),
        ("fifth_far", 0.2, 70_000, (42, 1, 2, 2**45 + 77)),
        ("third", 1 / 3, 70_001, (42, 1, 2, 100_001)),
        ("nearly_all", 0.999, 1_000_000, (7, 0, 0, 0)),
    ],
)
def test_golden(name, p, n, address):
    """These hashes freeze the masks: a change of any of them breaks every checkpoint."""
    seed, stream, call, first = address
    (bits,) = check_same_on_isas(_kernels.mask_bits, n, p, seed, stream, call, first, isas=ISAS)
    assert hashes(bits) == GOLDEN[name]


@pytest.mark.parametrize("p", EDGE_RATES)
def test_isas_are_equal(p):
    for n, first in [(0, 3), (1, 0), (31, 511), (512, 512), (8193, 8191), (20_000, 12_345)]:
        check_same_on_isas(_kernels.mask_bits, n, p, 1, 2, 3, first, isas=ISAS)


@pytest.mark.parametrize("p", [0.25, 0.1875, 0.2])
@pytest.mark.parametrize("first", [0, 1024 * 7, 2**38 - 8192, 2**38 - 1024, 2**40 - 2048])
def test_superblocks_side_by_side(isa, p, first):
    """Some are drawn two at a time, also where the number of a block takes a second word."""
    digits = 2 if p == 0.25 else 4 if p == 0.1875 else 8
    decided = 8192 // digits  # by a superblock
    whole = keeps(5 * decided, p, 1, 2, 3, first)
    for i in range(5):
        one = keeps(decided, p, 1, 2, 3, first + i * decided)
        np.testing.assert_array_equal(whole[i * decided : (i + 1) * decided], one)


@pytest.mark.parametrize("p", [0.5, 0.25, 0.2, 1.0])
def test_threads_are_equal(p):
    for first in (0, 1000):
        check_same_on_threads(_kernels.mask_bits, 300_001, p, 1, 2, 3, first, counts=(1, 2, 4, 7))


@pytest.mark.parametrize("p", [0.5, 0.25, 0.1])
def test_whole_equals_slices(isa, p):
    n = 10_000
    whole = keeps(n, p, 8, 1, 2, 300)
    for cut in (1, 31, 32, 33, 211, 212, 213, 512, 7_891, 7_892, 8_192, n):
        parts = [keeps(cut, p, 8, 1, 2, 300), keeps(n - cut, p, 8, 1, 2, 300 + cut)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("first", [0, 5])
@pytest.mark.parametrize("n", [1, 31, 33, 70_001])
def test_last_word_ends_in_zeros(isa, n, first):
    for p in (0.0, 0.5, 0.1):
        assert int(_kernels.mask_bits(n, p, 0, first=first)[-1]) >> (n - 1) % 32 + 1 == 0


def test_p_0_keeps_all_and_p_1_none(isa):
    assert keeps(1000, 0, 1).all() and keeps(1000, 1.0, 1).sum() == 0
    assert keeps(1000, 2.0**-40, 1).all(), "keep = 1 once it is rounded to 32 digits"


def test_a_larger_p_keeps_fewer_of_the_same(isa):
    """U is the same for laws of one width: a smaller threshold keeps a subset."""
    masks = [keeps(20_000, p, 1) for p in (0.1, 0.2, 0.3, 0.7)]
    for more, fewer in zip(masks, masks[1:], strict=False):
        assert (more >= fewer).all() and more.sum() > fewer.sum()


def test_empty(isa):
    assert _kernels.mask_bits(0, 0.3, 1).shape == (0,)


# ---- statistics: seeds are fixed, so that a result that passes always passes ----

SEEDS = range(8)
N = 2**18


def z_score(bits, p):
    return (bits.sum(dtype=np.int64) - (1 - p) * bits.size) / np.sqrt(bits.size * p * (1 - p))


@pytest.mark.parametrize("p", RATES)
def test_how_many_are_kept(p):
    scores = [z_score(keeps(N, p, seed), p) for seed in SEEDS]
    assert np.abs(scores).max() < SIGMAS
    assert np.abs(np.sum(scores)) < SIGMAS * np.sqrt(len(scores))
    if abs(p - 0.5) > 0.01:
        assert abs(z_score(1 - keeps(N, p, 0), p)) > 50, "p and 1 - p are told apart"


@pytest.mark.parametrize("p", [0.5, 0.25, 0.2, 0.9])
def test_no_element_tells_of_another(p):
    """Lags within a word, between words, lanes, vectors, chunks and superblocks."""
    centred = (keeps(N, p, 1) - (1 - p)) / np.sqrt(p * (1 - p))
    for lag in (*range(1, 65), 96, 128, 256, 511, 512, 513, 1024, 4096, 8191, 8192, 8193, 65536):
        r = np.dot(centred[:-lag], centred[lag:]) / np.sqrt(N - lag)
        assert abs(r) < SIGMAS, f"lag {lag}: {r:.2f} sigma"


@pytest.mark.parametrize("p", [0.5, 0.1])
@pytest.mark.parametrize(
    "other",
    [(1, 0, 0), (2**63, 0, 0), (2**32, 0, 0), (0, 1, 0), (0, 0, 1), (0, 2**32, 0), (0, 0, 2**63)],
)
def test_no_mask_tells_of_another(p, other):
    """Addresses that differ in one bit."""
    a, b = (keeps(N, p, *address) - (1 - p) for address in ((0, 0, 0), other))
    assert abs(np.dot(a, b)) / (p * (1 - p) * np.sqrt(N)) < SIGMAS


@pytest.mark.parametrize("p", [0.5, 0.25])
def test_bytes_are_as_frequent_as_they_should_be(p):
    counts = np.bincount(np.packbits(keeps(2**20, p, 3)), minlength=256)
    ones = np.array([bin(value).count("1") for value in range(256)])
    expected = 2**17 * (1 - p) ** ones * p ** (8 - ones)
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - 255) < SIGMAS * np.sqrt(2 * 255)


def test_chunks_are_binomial():
    """The number kept in each chunk of 512 has the variance that it should have."""
    p = 0.2
    counts = keeps(2**20, p, 4).reshape(-1, 512).sum(axis=1)
    z = (counts - 512 * (1 - p)) / np.sqrt(512 * p * (1 - p))
    assert abs((z**2).sum() - z.size) < SIGMAS * np.sqrt(2 * z.size)


# ---- bad input ----


@pytest.mark.parametrize("p", [-0.1, 1.1, 2, 256, float("nan"), float("inf"), -1e-300])
def test_p_outside_0_1(p):
    with pytest.raises(ValueError, match="p must be in .*got"):
        _kernels.mask_bits(8, p, 0)


@pytest.mark.parametrize("p", ["half", "0.5", None, True, np.bool_(1), 0.5j, [0.5], np.array(0.5)])
def test_p_that_is_no_number(p):
    with pytest.raises(TypeError, match="p must be a number"):
        _kernels.mask_bits(8, p, 0)


@pytest.mark.parametrize("p", [0, 1, np.float32(0.5), np.float64(0.25), np.int64(1)])
def test_numbers_of_any_kind(p):
    assert_same_bits(_kernels.mask_bits(99, p, 0), _kernels.mask_bits(99, float(p), 0))


@pytest.mark.parametrize("name", ["seed", "stream", "call", "first"])
def test_parts_of_an_address(name):
    address = {"seed": 0, name: -1}
    with pytest.raises(ValueError, match=f"{name} must be in"):
        _kernels.mask_bits(8, 0.5, **address)
    with pytest.raises(ValueError, match=f"{name} must be"):
        _kernels.mask_bits(8, 0.5, **{**address, name: 2**64})
    for bad in (0.0, "1", True, None):
        with pytest.raises(TypeError, match=f"{name} must be an int"):
            _kernels.mask_bits(8, 0.5, **{**address, name: bad})


def test_sizes():
    for n in (-1, 2**62, 10**30):
        with pytest.raises(ValueError, match="n must be from 0"):
            _kernels.mask_bits(n, 0.5, 0)
    with pytest.raises(ValueError, match="first must be at most"):
        _kernels.mask_bits(2, 0.5, 0, first=2**60 - 1)
    with pytest.raises(ValueError, match="domain must be in"):
        _kernels.random_words(1, 0, domain=2**32)
