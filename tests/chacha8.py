"""Masks in plain Python, from the text of csrc/rng.h alone: what the tests hold the kernels to."""

MASK32 = 2**32 - 1
QUARTERS = [
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
]


def block(key, counter, nonce):
    """The 16 words of one block: key 8 words, counter and nonce 64-bit numbers."""
    start = [
        0x61707865,
        0x3320646E,
        0x79622D32,
        0x6B206574,
        *key,
        counter & MASK32,
        counter >> 32,
        nonce & MASK32,
        nonce >> 32,
    ]
    x = list(start)

    def step(a, b, d, turn):
        x[a] = (x[a] + x[b]) & MASK32
        v = x[d] ^ x[a]
        x[d] = (v << turn | v >> (32 - turn)) & MASK32

    for _ in range(4):
        for a, b, c, d in QUARTERS:
            step(a, b, d, 16)
            step(c, d, b, 12)
            step(a, b, d, 8)
            step(c, d, b, 7)
    return [(v + s) & MASK32 for v, s in zip(x, start, strict=True)]


def vector(number, seed, stream=0, call=0, domain=0):
    """A vector of the stream, as one number of 512 bits: lane l stands at bit 32 l."""
    superblock, v = divmod(number, 16)
    key = _key(seed, stream, domain)
    words = [block(key, 16 * superblock + lane, call)[v] for lane in range(16)]
    return sum(word << 32 * lane for lane, word in enumerate(words))


def _key(seed, stream, domain, part=0):
    return [seed & MASK32, seed >> 32, stream & MASK32, stream >> 32, domain, part, 0, 0]


def keeps(chunk, threshold, seed, stream=0, call=0):
    """Whether each of the 512 elements of a chunk is kept: a list of bools."""
    if threshold % 2**32 == 0:
        return [threshold > 0] * 512
    digits = max(i for i in range(1, 33) if threshold >> (32 - i) & 1)
    own = next(d for d in (1, 2, 4, 8) if d >= min(digits, 8))
    drawn = [vector(chunk * own + d, seed, stream, call) for d in range(own)]
    u = [sum((v >> i & 1) << (31 - d) for d, v in enumerate(drawn)) for i in range(512)]
    if digits > 8:
        later = _key(seed, stream, 0, part=1)
        u = [value | block(later, 512 * chunk + i, call)[0] >> 8 for i, value in enumerate(u)]
    return [value < threshold for value in u]
