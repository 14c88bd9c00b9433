#!/usr/bin/env python3
"""Does `fathom tokenizer train` learn what Hugging Face's BpeTrainer learns?

Trains both on the same documents and compares merges and ids exactly (the first difference is
shown), then encodes the documents with both tokenizers, through `tokenizers`, through
transformers' AutoTokenizer and through `fathom tokenizer encode`, and compares ids.

    tools/compare_bpe_trainer.py --fathom build/release/fathom --vocab-size 32768 PATH...
    tools/compare_bpe_trainer.py --trained DIR PATH...      DIR: what fathom wrote for these paths
    tools/compare_bpe_trainer.py --write-golden             remakes tests/golden/bpe_trainer/merges.json

Needs `tokenizers` (and transformers for the AutoTokenizer part). Folders are searched as fathom
searches them: .txt, .md, .jsonl (field "text").
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, trainers

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "bpe_trainer"
FIRST = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
LAST = (
    "<think> </think> <｜fim▁hole｜> <｜fim▁begin｜> <｜fim▁end｜> <｜User｜> <｜Assistant｜> <|EOT|> "
    "<｜tool▁calls▁begin｜> <｜tool▁calls▁end｜> <｜tool▁call▁begin｜> <｜tool▁call▁end｜> "
    "<｜tool▁outputs▁begin｜> <｜tool▁outputs▁end｜> <｜tool▁output▁begin｜> <｜tool▁output▁end｜> "
    "<｜tool▁sep｜>"
).split(" ")
# The three splits of DeepSeek-V3, written down here once more so that a slip in fathom's shows.
SPLITS = [
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
]
EXTENSIONS = (".txt", ".md", ".jsonl")
GOLDEN_CASES = {  # name -> vocab_size (FIRST + bytes + merges), min_frequency, max_token_length
    "default": (650, 0, 0),
    "min_frequency": (1200, 5, 0),
    "max_token_length": (700, 0, 5),
}


def documents(paths):
    """The texts, in fathom's order; ill-formed UTF-8 replaced."""
    files = []
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            found = [p for p in path.rglob("*") if p.is_file() and p.suffix in EXTENSIONS]
            found = [p for p in found
                     if not any(part.startswith(".") for part in p.relative_to(path).parts)]
            files += sorted(found, key=str)
        else:
            files.append(path)
    texts = []
    for path in files:
        text = path.read_bytes().decode("utf-8", errors="replace")
        if path.suffix == ".jsonl":
            texts += [json.loads(line)["text"] for line in text.split("\n") if line.strip(" \t\r")]
        else:
            texts.append(text)
    return texts


def train_hugging_face(texts, vocab_size, min_frequency, max_token_length):
    """Returns the Tokenizer, FIRST before the bytes, without LAST."""
    tokenizer = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in SPLITS]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits + [byte_level])
    limit = {"max_token_length": max_token_length} if max_token_length else {}
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=FIRST,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False, **limit)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def model_of(tokenizer):
    model = json.loads(tokenizer.to_str())["model"]
    return [tuple(merge) for merge in model["merges"]], model["vocab"]


def compare_merges(ours, theirs):
    """Prints the first difference; True if there is none."""
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            print(f"merge {i}: fathom {a}, Hugging Face {b}")
            return False
    if len(ours) != len(theirs):
        print(f"fathom learned {len(ours)} merges, Hugging Face {len(theirs)}")
        return False
    return True


def compare_ids(name, texts, ours, theirs):
    """`ours` and `theirs` map a text to ids. Prints the first difference; True if there is none."""
    for i, text in enumerate(texts):
        a, b = ours(text), theirs(text)
        if a != b:
            at = next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            print(f"{name}: document {i}, token {at}: {a[at:at + 5]} and {b[at:at + 5]}")
            return False
    return True


def run_fathom(args, directory):
    command = [args.fathom, "tokenizer", "train", "--out", directory,
               "--vocab-size", str(args.vocab_size), "--min-frequency", str(args.min_frequency),
               "--max-token-bytes", str(args.max_token_length)]
    start = time.time()
    subprocess.run(command + args.paths, check=True)
    print(f"fathom: {time.time() - start:.1f} s")


def encode_with_fathom(fathom, directory):
    def encode(text):
        command = [fathom, "tokenizer", "encode", "--model", directory, "--file", "-"]
        done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, check=True)
        return [int(word) for word in done.stdout.split()]
    return encode


def compare(args, directory):
    trained = Tokenizer.from_file(f"{directory}/tokenizer.json")
    texts = [text for text in documents(args.paths) if text]
    start = time.time()
    reference = train_hugging_face(texts, trained.get_vocab_size() - len(LAST),
                                   args.min_frequency, args.max_token_length)
    size = sum(len(text.encode()) for text in texts)
    print(f"tokenizers {tokenizers.__version__}: {time.time() - start:.1f} s, "
          f"{len(texts)} documents, {size / 1e6:.1f} MB")

    ours, theirs = model_of(trained), model_of(reference)
    same = compare_merges(ours[0], theirs[0])
    if ours[1] != theirs[1]:
        print("the vocabularies differ")
        same = False
    reference.add_tokens([AddedToken(text, normalized=True) for text in LAST])
    ids = {text: trained.token_to_id(text) for text in FIRST + LAST}
    if ids != {text: reference.token_to_id(text) for text in FIRST + LAST}:
        print("ids of special tokens differ:", ids)
        same = False

    sample = texts[:: max(1, len(texts) // args.max_documents)]
    sample.append("".join(FIRST + LAST) + "<｜User｜>Hi<｜Assistant｜>")
    encode = lambda tokenizer: lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    same &= compare_ids("tokenizers", sample, encode(trained), encode(reference))
    same &= all(trained.decode(trained.encode(t, add_special_tokens=False).ids,
                               skip_special_tokens=False) == t for t in sample)
    try:
        from transformers import AutoTokenizer
    except ImportError:
        print("transformers is not installed: AutoTokenizer not compared")
    else:
        auto = AutoTokenizer.from_pretrained(directory)
        with_bos = lambda text: [0] + encode(reference)(text)
        same &= compare_ids("AutoTokenizer", sample, lambda text: auto(text)["input_ids"], with_bos)
        same &= (auto.bos_token_id, auto.eos_token_id, auto.pad_token_id) == (0, 1, 2)
    if args.fathom:
        few = sample[:: max(1, len(sample) // 20)]
        same &= compare_ids("fathom", few, encode_with_fathom(args.fathom, directory),
                            encode(reference))
    print(f"{len(ours[0])} merges, {len(sample)} documents encoded:", "same" if same else "DIFFERENT")
    return same


def write_golden():
    text = (GOLDEN / "text.txt").read_bytes().decode("utf-8")
    cases = {}
    for name, (vocab_size, min_frequency, max_token_length) in GOLDEN_CASES.items():
        tokenizer = train_hugging_face([text], vocab_size, min_frequency, max_token_length)
        cases[name] = {"vocab_size": vocab_size, "min_frequency": min_frequency,
                       "max_token_length": max_token_length,
                       "num_tokens": len(tokenizer.encode(text).ids),
                       "merges": [" ".join(merge) for merge in model_of(tokenizer)[0]]}
    golden = {"made_by": "tools/compare_bpe_trainer.py --write-golden",
              "tokenizers": tokenizers.__version__, "cases": cases}
    (GOLDEN / "merges.json").write_text(
        json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", metavar="PATH")
    parser.add_argument("--fathom", help="the binary to train with")
    parser.add_argument("--trained", metavar="DIR", help="compare this instead of training")
    parser.add_argument("--vocab-size", type=int, default=32768, help="special tokens included")
    parser.add_argument("--min-frequency", type=int, default=0)
    parser.add_argument("--max-token-length", type=int, default=0)
    parser.add_argument("--max-documents", type=int, default=200, help="to encode (all are trained on)")
    parser.add_argument("--write-golden", action="store_true")
    args = parser.parse_args()
    if args.write_golden:
        return write_golden()
    if not args.paths or bool(args.fathom) == bool(args.trained):
        parser.error("give paths and one of --fathom and --trained")
    with tempfile.TemporaryDirectory() as scratch:
        if args.fathom:
            run_fathom(args, scratch)
        return 0 if compare(args, args.trained or scratch) else 1


if __name__ == "__main__":
    sys.exit(main())
