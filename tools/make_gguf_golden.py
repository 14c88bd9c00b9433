#!/usr/bin/env python3
"""Makes tests/golden/gguf/types.gguf and types.safetensors: random blocks of every type that fathom reads, as the
`gguf` package writes them, and the f32 numbers its reference dequantises them to (made with gguf 0.19.0,
numpy 2.4.6, safetensors 0.8.0).

    python3 tools/make_gguf_golden.py OUT_DIRECTORY
"""
import pathlib
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize
from safetensors.numpy import save_file

TYPES = [T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K,
         T.IQ4_NL, T.IQ4_XS, T.MXFP4]
# Where a block's f16 scales lie: random bytes there could be NaN, which compares unequal to itself.
SCALES_AT = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
             T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0]}
ROWS, COLS = 2, 512


def random_blocks(rng, dtype):
    if dtype == T.F32:
        return rng.standard_normal((ROWS, COLS), dtype=np.float32)
    if dtype == T.F16:
        return rng.standard_normal((ROWS, COLS)).astype(np.float16)
    elements, size = gguf.GGML_QUANT_SIZES[dtype]
    blocks = rng.integers(0, 256, (ROWS, COLS // elements, size), dtype=np.uint8)
    if dtype == T.BF16:
        return (rng.standard_normal((ROWS, COLS), dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16).view(
            np.uint8)
    for at in SCALES_AT.get(dtype, []):
        scale = (rng.standard_normal(blocks.shape[:2]) * 0.02).astype(np.float16)
        blocks[..., at:at + 2] = scale[..., None].view(np.uint8)
    if dtype == T.MXFP4:  # every exponent but those whose products overflow; 0 and 1 are subnormal
        blocks[..., 0] = rng.integers(0, 250, blocks.shape[:2])
        blocks[0, :2, 0] = [0, 1]
    return blocks.reshape(ROWS, -1)


def main():
    out = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(12)
    writer = gguf.GGUFWriter(out / "types.gguf", "llama")
    writer.add_string("general.name", "every type")
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.words", ["", "a", "\u00e9\u00e8"])
    writer.add_array("test.numbers", [0.5, -1.25])
    writer.add_bool("test.flag", True)
    writer.add_uint64("test.large", 2**63 + 5)
    writer.add_int8("test.small", -7)
    writer.add_float64("test.double", 1e300)
    wanted = {}
    for dtype in TYPES:
        raw = random_blocks(rng, dtype)
        writer.add_tensor(f"{dtype.name}.weight", raw, raw_dtype=dtype)
        wanted[f"{dtype.name}.weight"] = np.ascontiguousarray(dequantize(raw, dtype).reshape(ROWS, COLS))
        assert np.isfinite(wanted[f"{dtype.name}.weight"]).all(), dtype.name
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(wanted, out / "types.safetensors")


if __name__ == "__main__":
    main()
