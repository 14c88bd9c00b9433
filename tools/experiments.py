#!/usr/bin/env python3
"""The experiments of docs/experiments.md: each is one command that trains its runs and prints its table.

  tools/experiments.py NAME [--text DIR] [--out runs/experiments] [--seeds 1 2] [--steps N] [--rows N] [--fathom BINARY]

  fp8        (a) FP8 against BF16; per-tensor scales and 128x128 gradients beside it
  balance    (b) sequence-wise loss, batch-wise loss, loss-free bias, nothing: loss and MaxVio
  mtp        (c) with and without multi-token prediction: main loss, acceptance of the drafts
  domains    (d) how experts specialise by domain, loss-free against auxiliary loss
  attention  (e) the latent's rank; MLA against GQA and MHA at equal parameters: loss and cache bytes

--text holds DOMAIN/{train,valid}/ as tools/gather_text.sh makes it. A run that is there already is not trained
again, so that a table can be printed twice and a stopped command goes on where it was. Only the standard
library is needed.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASE_MODEL = ROOT / "configs/models/nano.json"
BASE_RUN = ROOT / "configs/train/experiment.toml"
# Smoothing of the training loss, as DeepSeek-V3's appendix B.1 does it.
EMA = 0.9


class Variant:
    """One row of a table: what differs from the base run."""

    def __init__(self, name, settings=(), model=None):
        self.name, self.settings, self.model = name, list(settings), model or {}


def off():
    return ["balance.bias_rule=none", "balance.seq_aux_loss_weight=0"]


def experiment_fp8():
    fp8 = ["precision.mode=fp8"]
    return [
        Variant("bf16", ["precision.mode=bf16"]),
        Variant("fp8 (1x128, 128x128 weights)", fp8),
        Variant("fp8, gradients 128x128", fp8 + ["precision.fp8_gradient_scaling=block"]),
        Variant("fp8, all per tensor", fp8 + [f"precision.fp8_{kind}_scaling=tensor"
                                              for kind in ("activation", "gradient", "weight")]),
        Variant("fp8, 13-bit accumulator, no promotion",
                fp8 + ["precision.fp8_accumulator_bits=13", "precision.fp8_promotion_interval=4096"]),
    ]


def experiment_balance():
    return [
        Variant("none", off()),
        Variant("sequence-wise loss 1e-2", ["balance.bias_rule=none", "balance.seq_aux_loss_weight=0.01"]),
        Variant("batch-wise loss 1e-2", off() + ["balance.batch_aux_loss_weight=0.01"]),
        Variant("loss-free (sign)", ["balance.seq_aux_loss_weight=0"]),
        Variant("loss-free + sequence-wise 1e-4 (V3)", []),
    ]


def experiment_mtp():
    return [Variant("without MTP", model={"num_nextn_predict_layers": 0}),
            Variant("MTP, lambda 0.3", model={"num_nextn_predict_layers": 1})]


def experiment_domains():
    return [
        Variant("sequence-wise loss 1e-2", ["balance.bias_rule=none", "balance.seq_aux_loss_weight=0.01"]),
        Variant("loss-free (sign)", ["balance.seq_aux_loss_weight=0"]),
    ]


def dense(**changes):
    """The base shape without experts and MTP, so that attention alone differs."""
    return {"n_routed_experts": None, "n_shared_experts": None, "num_experts_per_tok": None,
            "num_nextn_predict_layers": 0, **changes}


def llama(kv_heads, intermediate):
    base = json.loads(BASE_MODEL.read_text())
    keep = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings",
            "rms_norm_eps", "rope_theta", "hidden_act", "tie_word_embeddings", "bos_token_id", "eos_token_id",
            "torch_dtype")
    return {"replace": True, **{key: base[key] for key in keep}, "architectures": ["LlamaForCausalLM"],
            "model_type": "llama", "head_dim": 32, "num_key_value_heads": kv_heads,
            "intermediate_size": intermediate}


def parameters_per_layer(config):
    d, h = config["hidden_size"], config["num_attention_heads"]
    if config["model_type"] == "llama":
        attention = d * config["head_dim"] * (2 * h + 2 * config["num_key_value_heads"])
    else:
        nope, rope, v = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
        rank, q_rank = config["kv_lora_rank"], config["q_lora_rank"]
        queries = d * h * (nope + rope) if not q_rank else d * q_rank + q_rank * h * (nope + rope)
        attention = queries + d * (rank + rope) + rank * h * (nope + v) + h * v * d
    return attention + 3 * d * config["intermediate_size"]


def cache_numbers_per_token(config):
    layers = config["num_hidden_layers"]
    if config["model_type"] == "llama":
        return layers * 2 * config["num_key_value_heads"] * config["head_dim"]
    return layers * (config["kv_lora_rank"] + config["qk_rope_head_dim"])


def experiment_attention():
    base = json.loads(BASE_MODEL.read_text())
    target = parameters_per_layer({**base, **dense()})
    variants = []
    for rank in (64, 32, 16, 8):
        model = dense(kv_lora_rank=rank)
        variants.append((f"MLA, kv_lora_rank {rank}", {**base, **model}, model))
    for name, heads in (("MHA", base["num_attention_heads"]), ("GQA", 2), ("MQA", 1)):
        model = llama(heads, 0)
        variants.append((f"{name}, {heads} key-value heads", dict(model), model))
    result = []
    for name, config, model in variants:  # the FFN's width makes the parameters equal
        config["intermediate_size"] = 0
        width = (target - parameters_per_layer(config)) / (3 * config["hidden_size"])
        model["intermediate_size"] = int(8 * round(width / 8))
        # The base run's learning rate suits MLA best, which would be no fair comparison; at this one MHA and MQA
        # are better than at the base run's.
        result.append(Variant(name, ["schedule.peak_lr=0.0015"], model))
    return result


EXPERIMENTS = {"fp8": experiment_fp8, "balance": experiment_balance, "mtp": experiment_mtp,
               "domains": experiment_domains, "attention": experiment_attention}


def slug(text):
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def source_settings(text):
    """--set data.train.DOMAIN.paths=... for every domain of the text folder."""
    settings = []
    domains = sorted(p.parent.name for p in text.glob("*/train"))
    if not domains:
        sys.exit(f"error: {text} has no DOMAIN/train folders; make it with tools/gather_text.sh")
    for domain in domains:
        for side, key in (("train", "train"), ("valid", "validation")):
            settings.append(f'data.{key}.{domain}.paths=["{text / domain / side}"]')
            settings.append(f'data.{key}.{domain}.extensions=["*"]')
    return settings


def is_trained(run, asked):
    """Whether the run's model is there; refuses one that was asked for with something else than `asked`."""
    path = run / "asked.json"
    if (run / "model" / "config.json").exists():
        found = json.loads(path.read_text()) if path.exists() else {}
        other = [key for key in asked if found.get(key) != asked[key]]
        if other:
            sys.exit(f"error: {run} was trained with other values of {', '.join(other)} (see {path}); "
                     "name another --out or remove it")
        return True
    path.write_text(json.dumps(asked, indent=2) + "\n")
    return False


def train(args, experiment, variant, seed):
    """Trains one run unless it is there; -> its directory."""
    # (d) looks at two runs of (b) from another side.
    folder = {"domains": "balance"}.get(experiment, experiment)
    run = args.out / folder / f"{slug(variant.name)}-seed{seed}"
    run.mkdir(parents=True, exist_ok=True)
    model = dict(variant.model)
    config = {} if model.pop("replace", False) else json.loads(BASE_MODEL.read_text())
    config.update(model)
    settings = [f"run.out={run}", f"run.seed={seed}", f"data.seed={seed}", f"model.config={run / 'shape.json'}",
                f"model.tokenizer={args.tokenizer}", f"data.cache_dir={args.out / 'token_cache'}",
                *source_settings(args.text), *variant.settings]
    if args.steps:
        settings.append(f"train.steps={args.steps}")
    if is_trained(run, {"model": config, "settings": settings}):
        return run
    (run / "shape.json").write_text(json.dumps(config, indent=2) + "\n")
    command = [args.fathom, "train", str(BASE_RUN)]
    for setting in settings:
        command += ["--set", setting]
    print(f"training {experiment}: {variant.name}, seed {seed}", file=sys.stderr, flush=True)
    with open(run / "stdout.txt", "w") as out, open(run / "stderr.txt", "w") as err:
        code = subprocess.run(command, stdout=out, stderr=err).returncode
    if code != 0:
        sys.exit(f"error: {' '.join(command)}\nended with {code}; see {run / 'stderr.txt'}")
    return run


def read_metrics(run):
    steps, last_validation = [], {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "step":
            steps.append(row)
        elif row["kind"] == "validation":
            last_validation[row["set"]] = row
    return steps, last_validation


def smoothed_loss(steps):
    value = steps[0]["loss"]
    for row in steps[1:]:
        value = EMA * value + (1 - EMA) * row["loss"]
    return value


def max_vio(rows):
    """Mean over MoE layers, then over the rows."""
    values = [statistics.mean(layer["max_vio"] for layer in row["load"]) for row in rows if row.get("load")]
    return statistics.mean(values) if values else math.nan


def specialisation(validation):
    """Mean over MoE layers of the mutual information between domain and expert, in bits, domains weighed alike:
    0 if every domain uses the experts alike."""
    layers = list(zip(*[row["load"] for row in validation.values()]))
    information = []
    for layer in layers:
        shares = [domain["share"] for domain in layer]
        mean = [statistics.mean(column) for column in zip(*shares)]
        information.append(statistics.mean(
            sum(p * math.log2(p / m) for p, m in zip(row, mean) if p > 0) for row in shares))
    return statistics.mean(information) if information else math.nan


def mean_and_spread(values, form):
    if len(values) == 1:
        return format(values[0], form)
    return f"{format(statistics.mean(values), form)} ± {format((max(values) - min(values)) / 2, form)}"


# Student's t, two-sided 95 %, by degrees of freedom.
T_95 = [math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131]


def gap(values, base):
    """Of losses with the same seeds, in percent of the base: the mean difference and its 95 % interval, since seeds
    move both runs of a pair alike."""
    differences = [100 * (value / other - 1) for value, other in zip(values, base)]
    mean, n = statistics.mean(differences), len(differences)
    if n == 1:
        return f"{mean:+.2f} %"
    half = (T_95[n - 1] if n <= len(T_95) else 1.96) * statistics.stdev(differences) / math.sqrt(n)
    return f"{mean:+.2f} % ({mean - half:+.2f} to {mean + half:+.2f})"


def rows_of(experiment, variants, runs):
    """-> header and rows of the table; each number is a mean over seeds with half the range, the last column the
    gap of the smoothed train loss to the first row."""
    measured = []
    for variant, of_seeds in zip(variants, runs):
        data = [read_metrics(run) for run in of_seeds]
        domains = sorted(data[0][1])
        columns = {
            "smoothed train loss": ([smoothed_loss(s) for s, _ in data], ".4f"),
            "validation loss": ([statistics.mean(v["loss"] for v in val.values()) for _, val in data], ".4f"),
        }
        for domain in domains:
            columns[f"bits/byte {domain}"] = ([val[domain]["bits_per_byte"] for _, val in data], ".3f")
        if experiment in ("balance", "domains"):
            columns["MaxVio (batch)"] = ([max_vio(s[-20:]) for s, _ in data], ".3f")
            columns["MaxVio (validation)"] = ([max_vio(list(val.values())) for _, val in data], ".3f")
            columns["specialisation, bits"] = ([specialisation(val) for _, val in data], ".3f")
        if experiment == "mtp":
            columns["draft acceptance"] = (
                [statistics.mean(v["mtp_acceptance"][0] for v in val.values()) if next(iter(val.values()))[
                    "mtp_acceptance"] else math.nan for _, val in data], ".3f")
        if experiment == "attention":
            config = json.loads((of_seeds[0] / "shape.json").read_text())
            columns["cache numbers a token"] = ([cache_numbers_per_token(config)], "d")
            columns["parameters a layer"] = ([parameters_per_layer(config)], "d")
        if experiment == "fp8":
            columns["tokens/s"] = ([statistics.median(r["tokens_per_s"] for r in s[2:]) for s, _ in data], ".0f")
        measured.append((variant.name, columns))
    header = ["run", *measured[0][1]]
    rows = [[name, *(mean_and_spread(values, form) for values, form in columns.values())]
            for name, columns in measured]
    header.append(f"gap to {measured[0][0]}")
    base = measured[0][1]["smoothed train loss"][0]
    for row, (_, columns) in zip(rows, measured):
        row.append(gap(columns["smoothed train loss"][0], base) if columns is not measured[0][1] else "")
    return header, rows


def find_tokenizer(args):
    """Of --tokenizer, else one trained on the text, which is kept."""
    if args.tokenizer is not None:
        return
    args.tokenizer = args.out / "tokenizer"
    if not (args.tokenizer / "tokenizer.json").exists():
        vocab = json.loads(BASE_MODEL.read_text())["vocab_size"]
        folders = [str(p) for p in sorted(args.text.glob("*/train"))]
        subprocess.run([args.fathom, "tokenizer", "train", *folders, "--vocab-size", str(vocab),
                        "--out", str(args.tokenizer)], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=[*EXPERIMENTS, "all"])
    parser.add_argument("--text", type=pathlib.Path, default=pathlib.Path("data/quickstart"))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/experiments"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=0, help="instead of the run file's")
    parser.add_argument("--rows", type=int, default=0, help="only the first rows of the table")
    parser.add_argument("--fathom", default=str(ROOT / "build/release/fathom"))
    parser.add_argument("--tokenizer", type=pathlib.Path, default=None,
                        help="default: a tokenizer trained on the text, in OUT/tokenizer")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    find_tokenizer(args)
    for name in EXPERIMENTS if args.experiment == "all" else [args.experiment]:
        variants = EXPERIMENTS[name]()[:args.rows or None]
        runs = [[train(args, name, variant, seed) for seed in args.seeds] for variant in variants]
        header, rows = rows_of(name, variants, runs)
        print(f"\n### {name}, seeds {' '.join(map(str, args.seeds))}\n")
        print("| " + " | ".join(header) + " |")
        print("|" + "---|" * len(header))
        for row in rows:
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
