#!/usr/bin/env python3
"""Writes src/tokenizer/unicode/unicode_table.inc: general categories and scripts as Hugging Face tokenizers has them.

The regular expressions of Hugging Face `tokenizers` carry their own Unicode version (tokenizers 0.23:
Unicode 16.0). Ids are equal only if ours is the same, so the table is asked from the library itself,
character by character, rather than taken from the Unicode database. Needs: pip install tokenizers.

Usage: tools/make_unicode_table.py > src/tokenizer/unicode/unicode_table.inc
"""

import tokenizers
from tokenizers import Regex, pre_tokenizers

# The order of GeneralCategory in unicode.h. kCcSpace is ours: control characters that are white space.
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split()
CC_SPACE = len(CATEGORIES)
SCRIPTS = ["Han", "Hiragana", "Katakana", "Hangul"]
EVERY_CHARACTER = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF)


def members(pattern: str) -> set[int]:
    """The code points that match `pattern`."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return {ord(c) for piece, _ in split.pre_tokenize_str(EVERY_CHARACTER) for c in piece}


def ranges(code_points: set[int]) -> list[tuple[int, int]]:
    result = []
    for c in sorted(code_points):
        if result and result[-1][1] == c - 1:
            result[-1] = (result[-1][0], c)
        else:
            result.append((c, c))
    return result


def rows(items: list[str], per_row: int) -> str:
    return "\n".join("    " + " ".join(items[i : i + per_row]) for i in range(0, len(items), per_row))


def main() -> None:
    category = [CATEGORIES.index("Cs")] * 0x110000
    for index, name in enumerate(CATEGORIES):
        if name == "Cs":
            continue
        for c in members(rf"\p{{{name}}}"):
            category[c] = index
    white_space = members(r"\s")
    control = CATEGORIES.index("Cc")
    separators = {CATEGORIES.index(name) for name in ("Zs", "Zl", "Zp")}
    for c in white_space:
        assert category[c] == control or category[c] in separators, hex(c)
        if category[c] == control:
            category[c] = CC_SPACE
    assert {c for c in range(0x110000) if category[c] in separators} <= white_space

    starts = [c for c in range(0x110000) if c == 0 or category[c] != category[c - 1]]
    print(f"// Made by tools/make_unicode_table.py from tokenizers {tokenizers.__version__}; do not edit.")
    print("// clang-format off")
    print("// First code point of each run << 5 | GeneralCategory.")
    print("constexpr u32 kCategoryRuns[] = {")
    print(rows([f"0x{c << 5 | category[c]:x}," for c in starts], 10))
    print("};")
    for script in SCRIPTS:
        print(f"constexpr CodePointRange k{script}Ranges[] = {{")
        print(rows([f"{{0x{first:x}, 0x{last:x}}}," for first, last in ranges(members(rf"\p{{{script}}}"))], 5))
        print("};")
    print("// clang-format on")


if __name__ == "__main__":
    main()
