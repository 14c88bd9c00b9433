#!/usr/bin/env python3
"""Adds to tests/golden/tokenizer/ what files of other origins need, over the tokenizer.json that lies there.

  wild_variants.json  members laid over it: Qwen2's and SmolLM2's shapes, NFC and NFD, added tokens that are matched
                      in normalised text, every Digits and ByteLevel
  wild_cases.jsonl    {"text", "ids": {variant: [...]}}
  normalized.jsonl    {"text", "nfc", "nfd"}

All answers are those of Hugging Face `tokenizers`. Needs: pip install tokenizers (made with 0.23.3).
Usage: tools/make_wild_tokenizer_golden.py
"""

import json
import random

import tokenizers
from make_tokenizer_golden import FOLDER, byte_level, sequence, split, write_lines
from tokenizers import normalizers

QWEN2 = (r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"""
         r"""|\s*[\r\n]+|\s+(?!\S)|\s+""")
# Marks, precomposed letters, Hangul, singletons, exclusions, and letters that take marks.
UNSTABLE = ("\u0300\u0301\u0302\u0308\u0323\u0327\u0328\u0345\u0344\u0340\u0343\u0374\u037e\u0387\u0958\u0915\u093c\u09be\u09c7\u0b3e"
            "\u0b47\u1100\u1112\u1161\u1175\u11a7\u11a8\u11c2\uac00\uac01\ud7a3\u1e69\u1e9b\u1ea5\u212b\u2126\u2329\u2add\u0338"
            "\uf900\ufb1d\ufb2a\u05d0\u05b7\u3099\u304b\u30f0\u0cc6\u0cc2\u0cd5\u110a5\u110ba\U0001d15e\U0001d165\U0001d16e\U0002f800"
            "\u0dd9\u0dcf\u0dca\u1025\u102e\u0653\u0627\u0898\u1dfa\U00016d67aeioucsADEN \n<w")


def variants(added: list[dict], size: int) -> dict:
    def token(i, content, **flags):
        return {"id": size + i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": True, "special": False, **flags}

    tokens = [token(0, "caf\u00e9"), token(1, "u\u0308ber", single_word=True), token(2, "<\uac01>", normalized=False),
              token(3, "\u212b", lstrip=True), token(4, "<\u1e69", rstrip=True, special=True)]
    nfc, words = {"type": "NFC"}, sequence(split(QWEN2))
    return {
        "qwen2": {"normalizer": nfc, "pre_tokenizer": words},
        "nfd": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}]}, "pre_tokenizer": words},
        "both": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, nfc]}},
        "normalized_tokens": {"normalizer": nfc, "added_tokens": added[:3] + tokens},
        "normalized_tokens_nfd": {"normalizer": {"type": "NFD"}, "added_tokens": added[:3] + tokens},
        "smollm": {"normalizer": None, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, byte_level(use_regex=True)]}},
        "digits_together": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": False}, byte_level(add_prefix_space=True, use_regex=True)]}},
        "whole": {"pre_tokenizer": byte_level()},
        "prefix_whole": {"pre_tokenizer": byte_level(add_prefix_space=True)},
    }


def strings(rng: random.Random) -> list[str]:
    chosen = ["cafe\u0301 caf\u00e9 u\u0308ber \u00fcbern \u00fcber <\uac01> <\u1100\u1161\u11a8> \u212b a \u00c5 <s\u0323\u0307 x",
              "It's WE'LL 12345 x1 \u0661\u0662 \u2167\n\n  a\u0301", "", " ", "e", "\u0301", "A\u030a", "x \u212b", "\u00c5", "\n \u212b"]
    for _ in range(140):
        chosen.append("".join(rng.choice(UNSTABLE) for _ in range(rng.randint(1, 14))))
    for _ in range(30):
        chosen.append("".join(rng.choice("ab 1\u0301'sS\n\t,.\u4e2d\u00e9e\u0300") for _ in range(rng.randint(1, 24))))
    return chosen


def main() -> None:
    rng = random.Random(12)
    base = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    overrides = variants(base["added_tokens"], len(base["model"]["vocab"]))
    shapes = {n: tokenizers.Tokenizer.from_str(json.dumps({**base, **members})) for n, members in overrides.items()}
    (FOLDER / "wild_variants.json").write_text(json.dumps(overrides, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    write_lines("wild_cases.jsonl", [
        {"text": text, "ids": {name: shape.encode(text, add_special_tokens=False).ids for name, shape in shapes.items()}}
        for text in strings(rng)])
    nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
    rng = random.Random(13)
    texts = [chr(c) for c in range(0x300, 0x3400) if c % 9 == 0]
    texts += ["".join(rng.choice(UNSTABLE) for _ in range(rng.randint(2, 9))) for _ in range(400)]
    texts += [chr(c) for c in (*range(0xC0, 0x180, 7), *range(0xAC00, 0xD7A4, 331), *range(0xF900, 0xFB50, 17),
                               *range(0x1D15E, 0x1D1C1), *range(0x2F800, 0x2FA1E, 23))]
    write_lines("normalized.jsonl", [{"text": t, "nfc": nfc(t), "nfd": nfd(t)} for t in texts])


if __name__ == "__main__":
    main()
