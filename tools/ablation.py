#!/usr/bin/env python3
"""DeepSeek-V3's ablations in small (its tables 4 and 5): trains the pairs and evaluates them, in one command.

  tools/ablation.py [--text DIR] [--out runs/ablation] [--seeds 1 2 3] [--steps N] [--scale nano|small]
                    [--lambada FILE] [--items N] [--fathom BINARY]

  balance   loss-free bias against the sequence-wise auxiliary loss, both without MTP
  mtp       with and without multi-token prediction, both loss-free

The three models of a seed see the same text in the same order. `fathom eval` measures what such small models can do: bits per
byte of held-out text by domain, minimal pairs of our own in BLiMP's form, the true continuation of held-out text among four
(cloze), and LAMBADA where --lambada names its file. Tables: means over seeds, then differences of each pair with Student's 95 %
interval over seeds. A run that is there already is neither trained nor evaluated again. --text holds
DOMAIN/{train,valid}/ as tools/gather_text.sh makes it. Only the standard library is needed.
"""
import argparse
import hashlib
import itertools
import json
import math
import pathlib
import random
import shutil
import statistics
import subprocess
import sys

import experiments
from experiments import ROOT, T_95, Variant

AUXILIARY = Variant("auxiliary loss", ["balance.bias_rule=none", "balance.seq_aux_loss_weight=0.01"],
                    {"num_nextn_predict_layers": 0})
LOSS_FREE = Variant("loss-free", [], {"num_nextn_predict_layers": 0})
WITH_MTP = Variant("loss-free, MTP", [], {"num_nextn_predict_layers": 1})
VARIANTS = [AUXILIARY, LOSS_FREE, WITH_MTP]
PAIRS = [("loss-free against auxiliary loss", AUXILIARY, LOSS_FREE), ("with MTP against without", LOSS_FREE, WITH_MTP)]

CLOZE_TASK = """title = "The true continuation of held-out text among four"
output = "multiple_choice"
[source.own]
test = ["cloze.jsonl"]
subtask = "{{domain}}"
[prompt.lm-eval]
text = "{{before}}"
choices = "{{options}}"
gold = "{{right}}"
metrics = ["acc", "acc_norm"]
"""


def minimal_pairs():
    """Lines of BLiMP's form: UID, sentence_good, sentence_bad; they differ in one word, or in the order of two."""
    nouns = [("man", "men"), ("woman", "women"), ("child", "children"), ("house", "houses"), ("book", "books"),
             ("friend", "friends"), ("word", "words"), ("letter", "letters")]
    pairs = []

    def add(uid, good, bad):
        pairs.append({"UID": uid, "sentence_good": good, "sentence_bad": bad})

    endings = ["here", "old", "not there", "very good", "in the house"]
    for (one, many), end in itertools.product(nouns, endings):
        add("agreement_be", f"The {many} were {end}.", f"The {many} was {end}.")
        add("agreement_be", f"The {one} was {end}.", f"The {one} were {end}.")
    for (one, many), verb in itertools.product(nouns, ["saw", "had", "knew", "found"]):
        add("determiner_noun", f"He {verb} these {many}.", f"He {verb} these {one}.")
        add("determiner_noun", f"He {verb} this {one}.", f"He {verb} this {many}.")
    for word in ["old", "open", "empty", "honest", "easy"]:
        for one, _ in nouns:
            add("article", f"It was an {word} {one}.", f"It was a {word} {one}.")
    for word in ["good", "new", "small", "great", "long"]:
        for one, _ in nouns:
            add("article", f"It was a {word} {one}.", f"It was an {word} {one}.")
            add("adjective_order", f"They saw the {word} {one}.", f"They saw the {one} {word}.")
    for noun, verb in itertools.product(["man", "king", "boy", "father"], ["saw", "hurt", "told", "asked"]):
        add("anaphor_gender", f"The {noun} {verb} himself.", f"The {noun} {verb} herself.")
    for noun, verb in itertools.product(["woman", "queen", "girl", "mother"], ["saw", "hurt", "told", "asked"]):
        add("anaphor_gender", f"The {noun} {verb} herself.", f"The {noun} {verb} himself.")
    for plain, past in [("go", "gone"), ("take", "taken"), ("see", "seen"), ("give", "given"), ("write", "written")]:
        for one, many in nouns:
            add("participle", f"The {one} has {past} it.", f"The {one} has {plain} it.")
            add("modal", f"The {many} could {plain} it.", f"The {many} could {past} it.")
    return pairs


def texts_of(folder):
    return "\n".join(path.read_text(encoding="utf-8", errors="replace")
                     for path in sorted(folder.rglob("*")) if path.is_file())


def cloze_items(domain, text, count, before=40, continuation=8):
    """The next words of a passage, and those of three other places of the same text."""
    words = text.split()
    span = before + continuation
    draw = random.Random(f"cloze {domain}")
    items = []
    places = list(range(0, len(words) - span, span))
    if len(places) < 4:
        return []  # no three other places
    draw.shuffle(places)
    for place in places[:count]:
        others = draw.sample([p for p in places if p != place], 3)
        options = [" " + " ".join(words[p + before:p + span]) for p in [place, *others]]
        order = list(range(4))
        draw.shuffle(order)
        items.append({"domain": domain, "before": " ".join(words[place:place + before]),
                      "options": [options[i] for i in order], "right": order.index(0)})
    return items


def documents(text, count, size=4000):
    return [text[at:at + size] for at in range(0, min(len(text), count * size), size)]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def make_data(args):
    """OUT/data as `fathom eval --data` reads it; -> the names of its tasks."""
    data = args.out / "data"
    (data / "blimp").mkdir(parents=True, exist_ok=True)
    write_lines(data / "blimp/own.jsonl", minimal_pairs())
    cloze, pile = [], []
    for folder in sorted(args.text.glob("*/valid")):
        domain, text = folder.parent.name, texts_of(folder)
        cloze += cloze_items(domain, text, args.items)
        pile += [{"text": each, "meta": {"pile_set_name": domain}} for each in documents(text, max(1, args.items // 4))]
    if not cloze:
        sys.exit(f"error: {args.text} has no DOMAIN/valid folders with text; make them with tools/gather_text.sh")
    write_lines(data / "cloze.jsonl", cloze)
    write_lines(data / "pile_held_out.jsonl", pile)
    (data / "cloze.toml").write_text(CLOZE_TASK)
    tasks = ["bits_per_byte", "blimp", str(data / "cloze.toml")]
    if args.lambada:
        shutil.copy(args.lambada, data / args.lambada.name)
        tasks.append("lambada_openai")
    return tasks


def fingerprint(data):
    digest = hashlib.sha256()
    for path in sorted(p for p in data.rglob("*") if p.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def evaluate(args, run, tasks):
    """The results of `fathom eval`; kept beside the run, and made anew where the questions are others."""
    kept = run / "ablation.json"
    asked = {"data": fingerprint(args.out / "data"), "tasks": tasks, "items": args.items}
    if kept.exists():
        known = json.loads(kept.read_text())
        if known["asked"] == asked:
            return known["results"]
    window = json.loads((run / "model/config.json").read_text())["max_position_embeddings"]
    command = [args.fathom, "eval", str(run / "model"), "--tasks", ",".join(tasks), "--data", str(args.out / "data"),
               "--limit", str(args.items), "--bootstrap", "1000", "--context", str(min(256, window)), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)}\nended with {done.returncode}: {done.stderr}")
    results = json.loads(done.stdout)["results"]
    kept.write_text(json.dumps({"asked": asked, "results": results}))
    return results


def columns_of(results):
    """Name -> value and its number of decimals, in the table's order."""
    columns = {}
    for task, numbers in results.items():
        if task.startswith("bits_per_byte_"):
            columns[f"bits/byte {task.removeprefix('bits_per_byte_')}"] = (numbers["bits_per_byte,none"], 3)
    columns["bits/byte"] = (results["bits_per_byte"]["bits_per_byte,none"], 3)
    columns["pairs, acc"] = (results["blimp"]["acc,none"], 3)
    columns["cloze, acc"] = (results["cloze"]["acc,none"], 3)
    columns["cloze, acc_norm"] = (results["cloze"]["acc_norm,none"], 3)
    if "lambada_openai" in results:
        columns["LAMBADA, acc"] = (results["lambada_openai"]["acc,none"], 3)
        columns["LAMBADA, ln perplexity"] = (math.log(results["lambada_openai"]["perplexity,none"]), 3)
    return columns


def interval(differences):
    """Mean and Student's 95 % half-width over seeds; None where one seed gives none."""
    n = len(differences)
    if n == 1:
        return differences[0], None
    t = T_95[n - 1] if n <= len(T_95) else 1.96
    return statistics.mean(differences), t * statistics.stdev(differences) / math.sqrt(n)


def difference_text(differences, decimals):
    mean, half = interval(differences)
    if half is None:
        return f"{mean:+.{decimals}f}"
    return f"{mean:+.{decimals}f} ({mean - half:+.{decimals}f} to {mean + half:+.{decimals}f})"


def print_table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=pathlib.Path, default=pathlib.Path("data/quickstart"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/ablation"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=0, help="instead of the run file's")
    parser.add_argument("--scale", choices=["nano", "small"], default="nano", help="configs/models/SCALE.json")
    parser.add_argument("--lambada", type=pathlib.Path, default=None, help="lambada_test.jsonl")
    parser.add_argument("--items", type=int, default=200, help="of each task, domain or kind of pairs")
    parser.add_argument("--fathom", default=str(ROOT / "build/release/fathom"))
    parser.add_argument("--tokenizer", type=pathlib.Path, default=None,
                        help="default: one trained on the text, in OUT/tokenizer")
    args = parser.parse_args()
    experiments.BASE_MODEL = ROOT / f"configs/models/{args.scale}.json"
    args.out.mkdir(parents=True, exist_ok=True)
    experiments.find_tokenizer(args)
    tasks = make_data(args)
    measured = {}
    for variant in VARIANTS:
        runs = [experiments.train(args, "runs", variant, seed) for seed in args.seeds]
        measured[variant.name] = [columns_of(evaluate(args, run, tasks)) for run in runs]
    names = list(measured[LOSS_FREE.name][0])
    print(f"\n### Ablations, {args.scale}, seeds {' '.join(map(str, args.seeds))}\n")
    rows = []
    for variant, of_seeds in measured.items():
        rows.append([variant, *(f"{statistics.mean(c[name][0] for c in of_seeds):.{of_seeds[0][name][1]}f}"
                                for name in names)])
    print_table(["run, mean over seeds", *names], rows)
    print()
    rows = []
    for title, base, other in PAIRS:
        row = [title]
        for name in names:
            differences = [b[name][0] - a[name][0] for a, b in zip(measured[base.name], measured[other.name])]
            row.append(difference_text(differences, measured[base.name][0][name][1]))
        rows.append(row)
    print_table(["difference, 95 % over seeds", *names], rows)


if __name__ == "__main__":
    main()
