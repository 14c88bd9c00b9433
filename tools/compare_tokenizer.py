#!/usr/bin/env python3
"""Compares fathom's ids with those of Hugging Face `tokenizers` on generated strings of many scripts.

Needs: pip install tokenizers. Nothing is downloaded; give it any byte-level tokenizer.json:

    tools/compare_tokenizer.py --tokenizer DIR/tokenizer.json [--corpus TEXT_DIR] [--count 20000]

or a Moonshot checkpoint's directory with tiktoken.model, whose reference is pip's `tiktoken`.

Each string goes to `ENCODER` as one line, {"text": "..."} or, for bytes that are not UTF-8, {"hex": "ff41"}, and
comes back as {"ids": [...]}; the ids then go to `DECODER` and come back as {"text": "..."}. Prints the number of
identical strings per kind; exit status 1 if any differs.
"""

import argparse
import json
import pathlib
import random
import shlex
import subprocess
import sys

import tokenizers

SCRIPTS = {
    "latin": [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x52F)],
    "armenian_georgian": [(0x531, 0x58F), (0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "hebrew": [(0x591, 0x5F4)],
    "arabic": [(0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)],
    "devanagari": [(0x900, 0x97F), (0xA8E0, 0xA8FF)],
    "indic": [(0x980, 0xDFF)],
    "thai_lao": [(0xE01, 0xEDF)],
    "tibetan_burmese": [(0xF00, 0x109F)],
    "ethiopic_cherokee": [(0x1200, 0x13FF)],
    "khmer_mongolian": [(0x1780, 0x18AF)],
    "hangul": [(0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3130, 0x318F)],
    "kana": [(0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)],
    "han": [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x200FF), (0xF900, 0xFAFF)],
    "fullwidth": [(0xFF01, 0xFFEE), (0x3000, 0x303F)],
    "symbols": [(0x2000, 0x2BFF), (0x1D400, 0x1D7FF), (0x1F100, 0x1F1FF)],
    "emoji": [(0x1F300, 0x1FAFF), (0x2600, 0x27BF)],
    "ancient": [(0x10000, 0x1342F)],
    "digits": [(0x30, 0x39), (0x660, 0x669), (0x966, 0x96F), (0xE50, 0xE59), (0xFF10, 0xFF19), (0x2150, 0x218B), (0x1D7CE, 0x1D7FF), (0xB2, 0xBE)],
    "anything": [(0x0, 0xD7FF), (0xE000, 0x10FFFF)],
}
SPACES = " \t\n\r\v\f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "1️⃣", "❤️", "🧑🏿‍🚀", "😀", "☃︎"]
WORDS = "the The it's I'M don't we'LL you've they're 'd x1 foo_bar HTTPServer naïve café 3.14 1,000,000 2024-12-26 a.b@c.de C++ #!/bin/sh".split()
CODE = [
    "int main(void) {\n\treturn x->y[0] != NULL ? a<<2 : ~b;\n}\n",
    "def f(x: int) -> str:\n    return f\"{x!r:>10}\"  # note\n\n\n    \n",
    "SELECT * FROM t WHERE a='b''c' AND d<>1;--\r\n",
    "<div class=\"x\">&nbsp;<br/></div>\r\n\r\n",
    "fn main() { println!(\"{:?}\", v.iter().map(|x| x+1).collect::<Vec<_>>()); }",
    "$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$\n",
    "{\"a\": [1, 2.5e-10, null], \"b\": {\"c\": \"\\u00e9\"}}\n",
    "const f = async (x) => { await g(`${x}`); };//!\n\n",
]
BAD_BYTES = [b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\x80", b"\xf8\x88\x80\x80\x80", b"\xc3"]


def script_string(rng: random.Random, ranges: list[tuple[int, int]]) -> str:
    """Words of one script with spaces, marks, punctuation and digits between them."""
    out = []
    for _ in range(rng.randint(1, 12)):
        low, high = rng.choice(ranges)
        out.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8))))
        out.append(rng.choice([" ", " ", " ", "", "\n", ", ", ". ", "  ", "\u0301", "-", "12", "'s ", "。", "\r\n", rng.choice(SPACES)]))
    return "".join(out)


def white_space_string(rng: random.Random) -> str:
    parts = []
    for _ in range(rng.randint(1, 8)):
        parts.append(rng.choice([" ", "\n", "\r\n", "\t", "\r", rng.choice(SPACES)]) * rng.randint(1, 9))
        parts.append(rng.choice(["", "", "a", ".", "7", "word", "的", "!?"]))
    return "".join(parts)


def mixed_string(rng: random.Random) -> str:
    names = list(SCRIPTS)
    parts = []
    for _ in range(rng.randint(1, 6)):
        kind = rng.randrange(6)
        parts.append(
            rng.choice(WORDS) if kind == 0
            else rng.choice(EMOJI) if kind == 1
            else rng.choice(CODE) if kind == 2
            else str(rng.randrange(10 ** rng.randint(1, 12))) if kind == 3
            else rng.choice(WORDS) + " " + rng.choice(WORDS) if kind == 4
            else script_string(rng, SCRIPTS[rng.choice(names)])
        )
        parts.append(rng.choice(["", " ", "\n", " - ", "("]))
    return "".join(parts)


def control_string(rng: random.Random) -> str:
    return "".join(chr(rng.choice([rng.randrange(32), rng.randrange(0x7F, 0xA1), 0x200B, 0x200D, 0xFEFF, 0x61, 0x20])) for _ in range(rng.randint(1, 20)))


def invalid_bytes(rng: random.Random) -> bytes:
    out = b""
    for _ in range(rng.randint(1, 8)):
        kind = rng.randrange(3)
        out += rng.choice(BAD_BYTES) if kind == 0 else rng.randbytes(rng.randint(1, 6)) if kind == 1 else mixed_string(rng).encode()[: rng.randint(1, 30)]
    return out


def special_string(rng: random.Random, contents: list[str]) -> str:
    parts = []
    for _ in range(rng.randint(1, 5)):
        token = rng.choice(contents)
        parts.append(rng.choice([token, token, token[:-1], token[1:], token.upper(), token + token, token.replace("｜", "|")]))
        parts.append(rng.choice(["", " ", "\n", "x", "的", rng.choice(WORDS)]))
    return "".join(parts)


def every_character() -> list[str]:
    """Each character next to a letter, a space, a digit, punctuation and a line break."""
    def in_context(c: str) -> str:
        return f"a{c}b {c} 1{c}{c}2.{c}x\n{c}"

    # Planes 0 to 3 up to their last assigned character, and the tags of plane 14; unassigned ones between too.
    code_points = [c for c in [*range(0x32400), *range(0xE0000, 0xE0200), 0xF0000, 0x10FFFF] if not 0xD800 <= c <= 0xDFFF]
    characters = [chr(c) for c in code_points]
    return ["".join(map(in_context, characters[i : i + 24])) for i in range(0, len(characters), 24)]


def corpus_strings(rng: random.Random, folder: pathlib.Path, count: int) -> list[str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    result = []
    while files and len(result) < count:
        text = rng.choice(files).read_text(encoding="utf-8", errors="replace")
        begin = rng.randrange(max(1, len(text)))
        result.append(text[begin : begin + rng.randint(20, 2000)])
    return result


def make_strings(added: list[str], count: int, seed: int, corpus: pathlib.Path | None) -> dict[str, list[str | bytes]]:
    rng = random.Random(seed)
    contents = [content for content in added if "holder" not in content and "reserved_special" not in content] or ["<s>"]
    per_kind = max(1, count // (len(SCRIPTS) + 8))
    kinds: dict[str, list[str | bytes]] = {
        name: [script_string(rng, ranges) for _ in range(per_kind)] for name, ranges in SCRIPTS.items()
    }
    kinds["mixed"] = [mixed_string(rng) for _ in range(2 * per_kind)]
    kinds["white_space"] = [white_space_string(rng) for _ in range(2 * per_kind)]
    kinds["control"] = [control_string(rng) for _ in range(per_kind)]
    kinds["invalid_utf8"] = [invalid_bytes(rng) for _ in range(per_kind)]
    kinds["special_text"] = [special_string(rng, contents) for _ in range(2 * per_kind)]
    kinds["long_runs"] = [rng.choice(["a", " ", "\n", "=", "0", "的", "\u0301", "ab", "-+", " \n"]) * rng.randint(50, 3000) + rng.choice(["", "x"]) for _ in range(60)]
    kinds["every_character"] = list(every_character())
    if corpus is not None:
        kinds["corpus"] = list(corpus_strings(rng, corpus, 4 * per_kind))
    return kinds


class HuggingFace:
    """A tokenizer.json as `tokenizers` answers."""

    def __init__(self, path: pathlib.Path):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self.added = [token["content"] for token in json.loads(path.read_text())["added_tokens"]]
        self.name = f"tokenizers {tokenizers.__version__}"

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids: list[list[int]]) -> list[str]:
        return self.tokenizer.decode_batch(ids, skip_special_tokens=False)


class Tiktoken:
    """A tiktoken.model as the code beside Moonshot's checkpoints (tokenization_moonshot.py) sets it up."""

    def __init__(self, folder: pathlib.Path):
        import tiktoken
        import tiktoken.load

        ranks = tiktoken.load.load_tiktoken_bpe(str(folder / "tiktoken.model"))
        named = json.loads((folder / "tokenizer_config.json").read_text()).get("added_tokens_decoder", {})
        names = {int(key): entry["content"] for key, entry in named.items()}
        special = {names.get(i, f"<|reserved_token_{i}|>"): i for i in range(len(ranks), len(ranks) + 258)}
        upper, lower = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]", r"\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]"
        ending = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        pattern = "|".join([
            r"[\p{Han}]+", rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]*[{lower}]+{ending}", rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]+[{lower}]*{ending}",
            r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])  # fmt: skip
        self.tokenizer = tiktoken.Encoding("moonshot", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
        self.added = [*names.values(), *list(special)[-3:]]
        self.name = f"tiktoken {tiktoken.__version__}"

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [self.tokenizer.encode(text, allowed_special="all") for text in texts]

    def decode(self, ids: list[list[int]]) -> list[str]:
        return [self.tokenizer.decode(sequence) for sequence in ids]


def run(command: str, lines: list[str]) -> list[dict]:
    done = subprocess.run(shlex.split(command), input="\n".join(lines) + "\n", capture_output=True, encoding="utf-8", check=False)
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    if done.returncode != 0 or len(answers) != len(lines):
        sys.exit(f"{command}: exit {done.returncode}, {len(answers)} answers to {len(lines)} lines\n{done.stderr[-2000:]}")
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True, type=pathlib.Path, help="a tokenizer.json or a model directory")
    parser.add_argument("--encoder", default="build/release/fathom tokenizer encode --jsonl --tokenizer {tokenizer}")
    parser.add_argument("--decoder", default="build/release/fathom tokenizer decode --jsonl --tokenizer {tokenizer}")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=pathlib.Path, help="a folder of text files to cut strings from")
    args = parser.parse_args()

    is_tiktoken = args.tokenizer.is_dir() and not (args.tokenizer / "tokenizer.json").exists()
    reference = Tiktoken(args.tokenizer) if is_tiktoken else HuggingFace(args.tokenizer / "tokenizer.json" if args.tokenizer.is_dir() else args.tokenizer)
    kinds = make_strings(reference.added, args.count, args.seed, args.corpus)
    total = same = same_text = 0
    for kind, strings in kinds.items():
        lines = [json.dumps({"hex": s.hex()} if isinstance(s, bytes) else {"text": s}) for s in strings]
        texts = [s.decode("utf-8", errors="replace") if isinstance(s, bytes) else s for s in strings]
        want = reference.encode(texts)
        got = [answer["ids"] for answer in run(args.encoder.format(tokenizer=args.tokenizer), lines)]
        decoded = [answer["text"] for answer in run(args.decoder.format(tokenizer=args.tokenizer), [json.dumps({"ids": ids}) for ids in want])]
        wanted_text = reference.decode(want)
        wrong = [i for i in range(len(strings)) if got[i] != want[i]]
        wrong_text = [i for i in range(len(strings)) if decoded[i] != wanted_text[i]]
        print(f"{kind:20} {len(strings) - len(wrong):6} of {len(strings):6} encode, {len(strings) - len(wrong_text):6} decode identically")
        for i in wrong[:3]:
            print(f"  text {texts[i][:300]!r}\n  want {want[i][:60]}\n  got  {got[i][:60]}")
        for i in wrong_text[:3]:
            print(f"  ids {want[i][:60]}\n  want {wanted_text[i][:300]!r}\n  got  {decoded[i][:300]!r}")
        total, same, same_text = total + len(strings), same + len(strings) - len(wrong), same_text + len(strings) - len(wrong_text)
    print(f"total: {same} of {total} strings encode and {same_text} decode identically ({reference.name})")
    sys.exit(0 if same == total and same_text == total else 1)


if __name__ == "__main__":
    main()
