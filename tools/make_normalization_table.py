#!/usr/bin/env python3
"""Writes src/tokenizer/unicode/normalization_table.inc: canonical decomposition, order and composition as Hugging
Face tokenizers has them.

The NFC of `tokenizers` carries a Unicode version of its own, older than that of its regular expressions. Ids are equal
only if ours is the same, so the library itself is asked: its NFD for decompositions, its NFC for compositions, and
whether marks change places for combining classes, whose numbers then come from Python's unicodedata (a class once given
never changes). Afterwards random strings are normalised by a plain rendering of the rules over these tables and compared
with the library. Needs: pip install tokenizers.

Usage: tools/make_normalization_table.py > src/tokenizer/unicode/normalization_table.inc
"""

import random
import sys
import unicodedata

import tokenizers
from tokenizers import normalizers

NFC, NFD = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
HANGUL = range(0xAC00, 0xD7A4)
V, T = range(0x1161, 0x1176), range(0x11A8, 0x11C3)
CHARACTERS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
LOW, HIGH = "\u0334", "\u0345"  # of the least and the greatest combining class, 1 and 240


def moves(c: int) -> bool:
    """Does the library give `c` a combining class but 0?"""
    s = chr(c)
    return NFD("a" + HIGH + s) != "a" + HIGH + s or NFD("a" + s + LOW) != "a" + s + LOW


def tables():
    decompositions = {c: NFD(chr(c)) for c in CHARACTERS if c not in HANGUL and NFD(chr(c)) != chr(c)}
    classes = {c: unicodedata.combining(chr(c)) for c in CHARACTERS
               if unicodedata.combining(chr(c)) and c not in decompositions and moves(c)}
    compositions = {}
    for c in decompositions:
        parts = unicodedata.decomposition(chr(c)).split()
        pair = "".join(chr(int(p, 16)) for p in parts)
        if len(pair) == 2 and NFC(pair) == chr(c):
            compositions[(pair[0], pair[1])] = c
    return decompositions, classes, compositions


def nfd(text, decompositions, classes):
    out = []
    for c in text:
        if ord(c) in HANGUL:
            i = ord(c) - HANGUL.start
            out += [chr(0x1100 + i // 588), chr(0x1161 + i % 588 // 28)] + ([chr(0x11A7 + i % 28)] if i % 28 else [])
        else:
            out += decompositions.get(ord(c), c)
    for i in range(len(out)):  # insertion sort, as the definition has it
        while i > 0 and classes.get(ord(out[i - 1]), 0) > classes.get(ord(out[i]), 0) > 0:
            out[i - 1], out[i] = out[i], out[i - 1]
            i -= 1
    return out


def compose(a, b, compositions):
    if 0x1100 <= ord(a) < 0x1113 and ord(b) in V:
        return chr(HANGUL.start + (ord(a) - 0x1100) * 588 + (ord(b) - V.start) * 28)
    if ord(a) in HANGUL and (ord(a) - HANGUL.start) % 28 == 0 and ord(b) in T:
        return chr(ord(a) + ord(b) - 0x11A7)
    composed = compositions.get((a, b))
    return None if composed is None else chr(composed)


def nfc(text, decompositions, classes, compositions):
    out, starter, last = [], None, 0
    for c in nfd(text, decompositions, classes):
        k = classes.get(ord(c), 0)
        free = starter is not None and (len(out) == starter + 1 or last < k)
        joined = compose(out[starter], c, compositions) if free else None
        if joined:
            out[starter] = joined
            continue
        if k == 0:
            starter = len(out)
        last = k
        out.append(c)
    return "".join(out)


def check(decompositions, classes, compositions):
    for c in CHARACTERS:
        assert nfc(chr(c), decompositions, classes, compositions) == NFC(chr(c)), hex(c)
    rng = random.Random(1)
    interesting = [*decompositions, *classes, *V, *T, *range(0x1100, 0x1113),
                   *(ord(x) for pair in compositions for x in pair)]
    for _ in range(200_000):
        text = "".join(chr(rng.choice(interesting) if rng.random() < 0.8 else rng.choice(CHARACTERS))
                       for _ in range(rng.randint(2, 8)))
        assert nfc(text, decompositions, classes, compositions) == NFC(text), ascii(text)
        assert "".join(nfd(text, decompositions, classes)) == NFD(text), ascii(text)


def rows(items):
    return "\n".join("    " + " ".join(items[i : i + 6]) for i in range(0, len(items), 6))


def main() -> None:
    decompositions, classes, compositions = tables()
    check(decompositions, classes, compositions)
    print(f"// Made by tools/make_normalization_table.py from tokenizers {tokenizers.__version__}; do not edit.")
    print("// clang-format off")
    print("// Code point << 8 | Canonical_Combining_Class, where it is not 0.")
    print("constexpr u32 kCombiningClasses[] = {")
    print(rows([f"{c << 8 | k:#x}," for c, k in sorted(classes.items())]) + "\n};")
    print("// A character and its full canonical decomposition of up to four, 0-padded.")
    print("constexpr char32_t kDecompositions[][5] = {")
    print(rows(["{" + ", ".join(f"{x:#x}" for x in [c, *map(ord, d), *[0] * (4 - len(d))]) + "},"
                for c, d in sorted(decompositions.items())]) + "\n};")
    print("// Two characters and what they compose to, but for Hangul.")
    print("constexpr char32_t kCompositions[][3] = {")
    print(rows([f"{{{ord(a):#x}, {ord(b):#x}, {c:#x}}}," for (a, b), c in sorted(compositions.items())]) + "\n};")
    print(f"{len(classes)} classes, {len(decompositions)} decompositions, {len(compositions)} compositions",
          file=sys.stderr)


main()
