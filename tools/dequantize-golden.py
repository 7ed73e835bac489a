#!/usr/bin/env python3
"""Makes the golden files of DequantizeTests with gguf-py (pip install gguf), the reference implementation.

    tools/dequantize-golden.py Tests/KernelsTests/Fixtures/Dequantize

For each format NAME: NAME.blocks, seeded random blocks, and NAME.floats, their values as little-endian fp32.
"""
import pathlib
import sys

import gguf
import numpy as np

# Where the fp16 scales of a block stand.
SCALES = {
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
# Zeros, the smallest and largest subnormals, the smallest and largest normals, and both signs of them.
EDGES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x8400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00]


def finite_halves(random, count):
    """Random fp16 bits without infinity and NaN, whose products may be NaN with any payload."""
    bits = random.integers(0, 1 << 16, count, dtype=np.uint16)
    return np.where(bits & 0x7C00 == 0x7C00, bits & 0x83FF, bits)


def blocks_of(kind, random):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = 256 if elements == 1 else 1024 // elements * 4 if elements == 32 else 32
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    if kind.name == "BF16":
        words = random.integers(0, 1 << 16, count, dtype=np.uint16)
        words[:8] = [0, 0x8000, 0x0001, 0x7F7F, 0xFF7F, 0x7F80, 0xFF80, 0x3F80]
        exponent = words & 0x7F80
        words = np.where((exponent == 0x7F80) & (words & 0x7F != 0), 0x3F80, words).astype(np.uint16)
        return words.view(np.uint8).reshape(count, 2)
    for place, offset in enumerate(SCALES[kind.name]):
        halves = finite_halves(random, count)
        edges = EDGES if place == 0 else EDGES[::-1]
        halves[: len(edges)] = edges
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(count, 2)
    # All codes at their least and at their greatest.
    for row, fill in ((len(EDGES), 0), (len(EDGES) + 1, 255)):
        if size > 2:
            blocks[row, :] = fill
            for offset in SCALES[kind.name]:
                blocks[row, offset : offset + 2] = (0x01, 0xB0)
    return blocks


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind in [gguf.GGMLQuantizationType.BF16] + [gguf.GGMLQuantizationType[name] for name in SCALES]:
        random = np.random.default_rng(20240 + int(kind))
        blocks = blocks_of(kind, random)
        with np.errstate(over="ignore"):
            values = gguf.dequantize(blocks, kind).astype("<f4")
        assert not np.isnan(values).any(), kind
        (folder / f"{kind.name}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{kind.name}.floats").write_bytes(values.tobytes())


if __name__ == "__main__":
    main()
