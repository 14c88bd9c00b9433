#!/usr/bin/env python3
"""Writes a metrics.jsonl of a run that never was, to look at reports without training.

Usage: make_synthetic_metrics.py OUT.jsonl [--steps N] [--layers L] [--experts E] [--sets a,b,c] [--seed S]
         [--title T] [--loss-offset X] [--skip-rate P] [--end STATE] [--every N] [--no-balance]

The lines follow docs/file-formats.md, written independently of the C++ that reads them.
"""
import argparse
import json
import math
import random


def softmax(values):
    top = max(values)
    weights = [math.exp(v - top) for v in values]
    total = sum(weights)
    return [w / total for w in weights]


def number(value, flags, path):
    """JSON has no NaN: null, and a flag."""
    if math.isfinite(value):
        return value
    flags[path] = "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return None


class Router:
    """Logits of one layer's experts: a lasting preference, one for each domain, and a bias that balances."""

    def __init__(self, rng, experts, sets, depth):
        self.base = [rng.gauss(0, 0.8) for _ in range(experts)]
        self.domain = {s: [rng.gauss(0, 0.9 * depth + 0.15) for _ in range(experts)] for s in sets}
        self.bias = [0.0] * experts

    def share(self, rng, progress, name=None, noise=0.06):
        grown = min(1.0, 4 * progress)
        logits = [b + bias * 40 + rng.gauss(0, noise) + (grown * self.domain[name][i] if name else 0.0)
                  for i, (b, bias) in enumerate(zip(self.base, self.bias))]
        return softmax(logits)

    def balance(self, share, speed):
        mean = 1 / len(share)
        self.bias = [b + (speed if s < mean else -speed) for b, s in zip(self.bias, share)]


def load_record(name, router, share, dead):
    experts = len(share)
    share = [0.0 if i in dead else s for i, s in enumerate(share)]
    total = sum(share)
    share = [s / total for s in share]
    probabilities = softmax([0.35 * b for b in router.base])
    return {
        "layer": name, "max_vio": max(share) * experts - 1,
        "entropy": -sum(p * math.log(p) for p in probabilities), "dead_experts": len(dead),
        "bias_min": min(router.bias), "bias_max": max(router.bias), "share": share,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--planned", type=int, default=0)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--sets", default="manuals,code,fortunes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--title", default="nano: three domains, loss-free balance")
    parser.add_argument("--loss-offset", type=float, default=0.0)
    parser.add_argument("--skip-rate", type=float, default=0.001)
    parser.add_argument("--every", type=int, default=0, help="steps between validations; 0: a fortieth of the run")
    parser.add_argument("--end", choices=["finished", "interrupted", "failed", "none"], default="finished")
    parser.add_argument("--no-balance", action="store_true")
    args = parser.parse_args()

    rng = random.Random(args.seed)
    sets = [s for s in args.sets.split(",") if s]
    routers = {f"model.layers.{l + 1}": Router(rng, args.experts, sets, (l + 1) / args.layers)
               for l in range(args.layers)}
    planned = args.planned or args.steps
    every = args.every or max(1, args.steps // 40)
    config = (f'title = "{args.title}"\n\n[model]\nhidden_size = 256\nn_routed_experts = {args.experts}\n\n'
              "[balance]\nbias_rule = \"sign\"\nbias_update_speed = 0.001\nseq_aux_loss_weight = 0.0001\n\n"
              f"[optimizer]\nlr = 0.003\nclip = 1.0\n\n[data]\nseed = {args.seed}\n")
    with open(args.out, "w", encoding="utf-8") as out:
        def line(record):
            out.write(json.dumps(record, separators=(",", ":")) + "\n")

        line({"kind": "run", "title": args.title, "started": 1764039600.0, "total_steps": planned,
              "total_tokens": planned * 8192, "config": config,
              "facts": [["parameters", "2.66 M (1.31 M active)"], ["tokens a step", "8192"],
                        ["precision", "bf16"], ["machine", "2 cores, AVX-512"]]})
        seconds = 0.0
        for step in range(1, args.steps + 1):
            progress = step / planned
            warmup = min(1.0, step / max(1, planned // 50))
            lr = 0.003 * warmup * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * max(0.0, progress - 0.3) / 0.7)))
            clean = 2.1 + args.loss_offset + 6.2 * (1 + step / 12) ** -0.62
            spike = 1.4 if step % 613 in (0, 1, 2) and step > 600 else 0.0
            skipped = rng.random() < args.skip_rate and step > 20
            loss = math.nan if skipped else clean + rng.gauss(0, 0.05) + spike
            seconds += 0.42 + abs(rng.gauss(0, 0.02)) + (0.9 if step % every == 0 else 0)
            flags, load = {}, []
            for name, router in routers.items():
                share = router.share(rng, progress)
                dead = {3} if name.endswith(".1") and step < args.steps // 6 else set()
                load.append(load_record(name, router, share, dead))
                if not args.no_balance:
                    router.balance(share, 0.001)
            record = {
                "kind": "step", "step": step, "tokens": step * 8192, "samples": step * 16, "seconds": seconds,
                "loss": number(loss, flags, "loss"), "bits_per_byte": number(loss / math.log(2) / 3.1, flags, "bits_per_byte"),
                "mtp_loss": [number(loss + 0.55 + rng.gauss(0, 0.03), flags, "mtp_loss.0")],
                "balance_loss": 1e-4 * (1 + rng.gauss(0, 0.05)), "lr": lr,
                "grad_norm": number(math.nan if skipped else math.exp(rng.gauss(-0.6, 0.25)) * (1 + 3 * spike) + 8 / step, flags, "grad_norm"),
                "bias_update_speed": 0.001 if progress < 0.966 else 0.0,
                "tokens_per_s": 8192 / (0.42 + abs(rng.gauss(0, 0.02))), "gemm_peak_frac": 0.55 + rng.gauss(0, 0.01),
                "dropped": 0, "skipped": "loss is nan (samples 16032 to 16047)" if skipped else "", "load": load,
            }
            if flags:
                record["nonfinite"] = flags
            line(record)
            if step % every == 0 or step == args.steps:
                for i, name in enumerate(sets):
                    value = clean + (0.12, -0.45, 0.4, 0.2)[i % 4] + 0.1 * progress + rng.gauss(0, 0.008)
                    line({"kind": "validation", "step": step, "set": name, "loss": value,
                          "bits_per_byte": value / math.log(2) / (3.0 + 0.35 * i), "mtp_loss": [value + 0.6],
                          "mtp_acceptance": [0.82 - 0.3 / (1 + 6 * progress) + 0.03 * i + rng.gauss(0, 0.004)],
                          "load": [load_record(layer, router, router.share(rng, progress, name, 0.03), set())
                                   for layer, router in routers.items()]})
        if args.end != "none":
            line({"kind": "end", "step": args.steps, "state": args.end,
                  "reason": "" if args.end == "finished" else "12 steps in a row without a finite loss"})


if __name__ == "__main__":
    main()
