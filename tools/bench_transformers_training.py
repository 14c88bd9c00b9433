#!/usr/bin/env python3
"""Training speed of transformers + PyTorch on the CPU, for a comparison with `fathom train` on the same shape.

  bench_transformers_training.py CONFIG.json [--sequences 8] [--seq-len 512] [--steps 6] [--threads N] [--json]

BF16 autocast over f32 weights, AdamW, random tokens, no MTP (transformers has no module for it). Every
combination of {eager, torch.compile} and of the experts implementations that this version of transformers
offers is timed; the best one is what fathom is compared with. Needs torch and transformers; fathom does not.
"""
import argparse
import json
import statistics
import time

import torch
import transformers


def make_model(config_path, experts):
    config = transformers.AutoConfig.from_pretrained(config_path)
    config.use_cache = False
    config._attn_implementation = "sdpa"
    if experts is not None:
        config._experts_implementation = experts
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.train()
    return model


def time_steps(model, compiled, args, vocab):
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1)
    generator = torch.Generator().manual_seed(0)
    seconds = []
    for step in range(args.warmup + args.steps):
        ids = torch.randint(vocab, (args.sequences, args.seq_len), generator=generator)
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = forward(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step >= args.warmup:
            seconds.append(time.perf_counter() - begin)
    return args.sequences * args.seq_len / statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config.json, or the directory that holds it")
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--experts", nargs="*", default=["eager", "grouped_mm", "batched_mm"],
                        help="transformers' experts implementations to try")
    parser.add_argument("--no-compile", action="store_true", help="eager only")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for experts in args.experts:
        for compiled in [False] if args.no_compile else [False, True]:
            name = f"{'compiled' if compiled else 'eager'}, experts {experts}"
            try:
                torch.manual_seed(0)
                model = make_model(args.config, experts)
                speed = time_steps(model, compiled, args, model.config.vocab_size)
                rows.append({"mode": name, "tokens_per_s": speed})
            except Exception as error:  # a mode that this version lacks is reported, not fatal
                rows.append({"mode": name, "error": str(error).splitlines()[0][:120]})
            if not args.json:
                row = rows[-1]
                print(f"{name:32s} {row['tokens_per_s']:8.0f} tokens/s" if "error" not in row
                      else f"{name:32s} failed: {row['error']}", flush=True)
    best = max((r for r in rows if "error" not in r), key=lambda r: r["tokens_per_s"], default=None)
    if args.json:
        print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__,
                          "threads": args.threads, "rows": rows, "best": best}))
    elif best:
        print(f"best: {best['tokens_per_s']:.0f} tokens/s ({best['mode']}), torch {torch.__version__}, "
              f"transformers {transformers.__version__}, {args.threads} threads")


if __name__ == "__main__":
    main()
