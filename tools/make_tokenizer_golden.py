#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/: a small tokenizer.json made by Hugging Face `tokenizers`, and what it answers.

  tokenizer.json   byte-level BPE in DeepSeek-V3's shape (three splits, its kinds of added tokens), 1,200 tokens
  variants.json    members that replace those of tokenizer.json: DeepSeek-V2's and Llama-3's shapes, GPT-2's, flags
  cases.jsonl      {"text" or "hex", "ids": {"v3": [...], other variants for some}}
  decode.jsonl     {"ids", "text", "skip_special"}
  pieces.jsonl     {"pre_tokenizer", "texts", "pieces"}: every Split behavior, in raw text

Needs: pip install tokenizers (made with 0.23.3). The training text is this machine's Python library and the
strings below, so a new run gives another vocabulary; all files are written together.
Usage: tools/make_tokenizer_golden.py
"""

import json
import pathlib
import random
import sysconfig

import compare_tokenizer
import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/tokenizer"
V3_WORDS = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
LLAMA3 = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"""
    r"""|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
# Shortened in its list of letters; the shape is the published one.
V2_LETTERS = "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆ"
SAMPLES = [
    "人工智能是计算机科学的一个分支。深度学习模型需要大量的数据和计算资源。",
    "これは日本語の文章です。カタカナとひらがな、漢字を含みます。",
    "한국어 문장도 몇 개 들어 있습니다. 토크나이저를 시험합니다.",
    "Русский текст тоже нужен, чтобы обучить словарь. Ещё одно предложение.",
    "Το ελληνικό κείμενο είναι μικρό. Τέλος.",
    "هذا نص عربي قصير لاختبار المجزئ. شكرا لكم.",
    "यह एक छोटा हिन्दी वाक्य है। धन्यवाद।",
    "ประโยคภาษาไทยสำหรับทดสอบ",
    "Être ou ne pas être, là est la question. Übergröße, año, São Paulo, Žižek.",
    "😀 👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ ☃ → ≤ ∑ € £",
]


def split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> dict:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(add_prefix_space: bool = False, use_regex: bool = False) -> dict:
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": use_regex}


def sequence(*stages: dict) -> dict:
    return {"type": "Sequence", "pretokenizers": [*stages, byte_level()]}


def train() -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"),
            pre_tokenizers.Split(Regex("[一-龥぀-ゟ゠-ヿ]+"), "isolated"),
            pre_tokenizers.Split(Regex(V3_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        special_tokens=[AddedToken(content, normalized=False, special=True) for content in special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    text = [(library / name).read_text() for name in ("argparse.py", "statistics.py", "textwrap.py", "turtle.py")]
    tokenizer.train_from_iterator(text + SAMPLES * 40, trainer)
    tokenizer.add_tokens(["<think>", "</think>", "<｜User｜>", "<｜Assistant｜>", "<｜tool▁sep｜>"])
    tokenizer.add_special_tokens(["<|EOT|>"])
    return tokenizer


def variants(tokenizer: dict) -> dict[str, dict]:
    size = len(tokenizer["model"]["vocab"])
    flagged = [
        AddedToken("<left>", lstrip=True, normalized=False),
        AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("word", single_word=True),
        AddedToken("wordy"),
        AddedToken("<both>", lstrip=True, rstrip=True, single_word=True, special=True),
        AddedToken("Ω"),
    ]
    added = [
        {"id": size + i, "content": t.content, "single_word": t.single_word, "lstrip": t.lstrip, "rstrip": t.rstrip,
         "normalized": t.normalized, "special": t.special}
        for i, t in enumerate(flagged)
    ]
    bos = tokenizer["added_tokens"][0]
    piece, token = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": bos["content"], "type_id": 0}}
    template = {
        "type": "TemplateProcessing", "single": [token, piece], "pair": [token, piece, token, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {bos["content"]: {"id": bos["content"], "ids": [bos["id"]], "tokens": [bos["content"]]}},
    }
    return {
        "v3": {},
        "v2": {"pre_tokenizer": sequence(
            split("[\r\n]"), split(rf"\s?[{V2_LETTERS}]+"), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"),
            split("[一-龥ࠀ-一가-퟿]+"), {"type": "Digits", "individual_digits": True})},
        "llama3": {
            "normalizer": None, "pre_tokenizer": sequence(split(LLAMA3)), "model": {**tokenizer["model"], "ignore_merges": True},
            "post_processor": {"type": "Sequence", "processors": [tokenizer["post_processor"], template]}},
        "gpt2": {"pre_tokenizer": byte_level(add_prefix_space=True, use_regex=True)},
        "flags": {"added_tokens": tokenizer["added_tokens"][:3] + added},
    }  # fmt: skip


def short_strings(tokenizer: dict, rng: random.Random) -> list[str | bytes]:
    kinds = compare_tokenizer.make_strings([token["content"] for token in tokenizer["added_tokens"]], 5000, 7, None)
    chosen: list[str | bytes] = []
    for name, strings in kinds.items():
        if name in ("every_character", "long_runs"):
            continue
        fitting = [s for s in strings if len(s if isinstance(s, bytes) else s.encode()) <= 64]
        chosen += rng.sample(fitting, min(8, len(fitting)))
    flags = ["a <left> b", "x\u3000 <right>  y", "word wordy words word.", "(word) éword word1 _word", " <both> ", "a<both>b",
             "Ωre Ω", "<left><right> <left>", "", " ", "\n", "'ſ 'S I'LL", "<｜User｜><think>\n", "<｜begin▁of▁sentence｜><|EOT|>x"]
    return flags + ["word " * 3] + chosen


def piece_cases() -> list[dict]:
    texts = ["a-b--c- -", "--", "x1 22y 333", " tab\t end  ", "的a的b", "no match here", "a.b\nc$d\n", "ſs'S"]
    stages = [sequence(split("-", behavior, invert)) for behavior in
              ("Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext") for invert in (False, True)]
    stages += [
        sequence({**split("x"), "pattern": {"String": "."}, "behavior": "Removed"}),
        sequence({"type": "Digits", "individual_digits": False}),
        sequence(split(r"(?<=\d)(?!\d)\s|^a|[a-z&&[^aeiou]]{2,}$|(?:b|\x{63})+?.|[\p{Han}]")),
        sequence(split(r"\s+$"), split(r"\S{2,3}")),
        sequence(split(r"(?i:'s|k)|\p{^L}\P{Lu}?")),
    ]  # fmt: skip
    groups = []
    for stage in stages:
        # Offsets into the text show the pieces as they are, before ByteLevel's spelling.
        bare = tokenizers.Tokenizer(models.BPE()).to_str()
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps({**json.loads(bare), "pre_tokenizer": stage}))
        pieces = [[text[b:e] for _, (b, e) in tokenizer.pre_tokenizer.pre_tokenize_str(text)] for text in texts]
        groups.append({"pre_tokenizer": stage, "texts": texts, "pieces": pieces})
    return groups


def write_lines(name: str, rows: list[dict]) -> None:
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    rng = random.Random(11)
    FOLDER.mkdir(parents=True, exist_ok=True)
    base = json.loads(train().to_str())
    base["model"]["merges"] = [" ".join(pair) for pair in base["model"]["merges"]]
    overrides = variants(base)
    shapes = {name: tokenizers.Tokenizer.from_str(json.dumps({**base, **members})) for name, members in overrides.items()}
    cases = []
    for index, string in enumerate(short_strings(base, rng)):
        is_bytes = isinstance(string, bytes)
        text = string.decode("utf-8", errors="replace") if is_bytes else string
        names = list(shapes) if index < 16 else ["v3", *(["v2", "llama3", "gpt2"] if index % 3 == 0 else [])]
        ids = {name: shapes[name].encode(text, add_special_tokens=name == "llama3").ids for name in names}
        cases.append({**({"hex": string.hex()} if is_bytes else {"text": text}), "ids": ids})
    size = shapes["v3"].get_vocab_size()
    sequences = [[rng.randrange(size + 5) for _ in range(rng.randint(1, 12))] for _ in range(40)]
    overrides["llama3"]["model"] = {"ignore_merges": True}  # the rest is in tokenizer.json
    (FOLDER / "tokenizer.json").write_text(json.dumps(base, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    (FOLDER / "variants.json").write_text(json.dumps(overrides, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    write_lines("cases.jsonl", cases)
    write_lines("decode.jsonl", [
        {"ids": ids, "text": shapes["v3"].decode(ids, skip_special_tokens=False), "skip_special": shapes["v3"].decode(ids)}
        for ids in sequences])  # fmt: skip
    write_lines("pieces.jsonl", piece_cases())


if __name__ == "__main__":
    main()
