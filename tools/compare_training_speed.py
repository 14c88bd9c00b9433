#!/usr/bin/env python3
"""Training speed of fathom beside transformers + PyTorch: one shape, one batch, one after the other on this machine.

  compare_training_speed.py CONFIG.json --text DIR --tokenizer DIR [--sequences 8] [--seq-len 512] [--precision bf16 fp8]
                            [--fathom build/release/fathom] [--python python3] [--steps 8] [--skip-torch]

Both train the main model only (transformers has no MTP module), in BF16 with f32 weights and AdamW; fathom also in FP8.
fathom's figure is the median of its own tokens a second over the steps after the second, PyTorch's the best mode of
tools/bench_transformers_training.py, which --python must be able to run (torch and transformers installed).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def fathom_speed(args, config, folder, precision):
    run = folder / f"run-{precision}"
    command = [args.fathom, "train", str(ROOT / "configs/train/experiment.toml")]
    for setting in (f"run.out={run}", f"model.config={config}", f"model.tokenizer={args.tokenizer}",
                    f'data.train.text.paths=["{args.text}"]', 'data.train.text.extensions=["*"]',
                    f"data.cache_dir={folder / 'cache'}", f"data.seq_len={args.seq_len}",
                    f"train.batch_sequences={args.sequences}", f"train.micro_batch_sequences={args.sequences}",
                    f"train.steps={args.steps + 2}", "schedule.warmup_steps=1", f"precision.mode={precision}"):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)}\n{done.stderr}")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [row for row in rows if row["kind"] == "step"][2:]
    memory = [line.strip() for line in done.stderr.splitlines() if "of which activations" in line]
    return (statistics.median(s["tokens_per_s"] for s in steps), statistics.median(s["gemm_peak_frac"] for s in steps),
            memory[0] if memory else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--precision", nargs="+", default=["bf16", "fp8"])
    parser.add_argument("--fathom", default=str(ROOT / "build/release/fathom"))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--skip-torch", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        shape = json.loads(args.config.read_text())
        shape["num_nextn_predict_layers"] = 0
        (folder / "config.json").write_text(json.dumps(shape))
        for precision in args.precision:
            speed, share, memory = fathom_speed(args, folder / "config.json", folder, precision)
            print(f"fathom {precision:5s} {speed:9.0f} tokens/s, {100 * share:.0f} % of the GEMM peak; memory: {memory}",
                  flush=True)
            if precision == args.precision[0]:
                first = speed
            else:
                print(f"  {100 * speed / first:.0f} % of {args.precision[0]}")
        if args.skip_torch:
            return
        done = subprocess.run([args.python, str(ROOT / "tools/bench_transformers_training.py"), str(folder), "--json",
                               "--sequences", str(args.sequences), "--seq-len", str(args.seq_len), "--steps", "3",
                               "--warmup", "1", "--experts", "eager", "grouped_mm"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"error: the PyTorch side failed:\n{done.stderr[-2000:]}")
        torch = json.loads(done.stdout.splitlines()[-1])
        for row in torch["rows"]:
            print(f"  torch {row['mode']:28s} {row.get('tokens_per_s', 0):8.0f} tokens/s {row.get('error', '')}")
        best = torch["best"]["tokens_per_s"]
        print(f"torch {torch['torch']}, transformers {torch['transformers']}: {best:.0f} tokens/s; "
              f"fathom {args.precision[0]} is {first / best:.2f} times as fast")


if __name__ == "__main__":
    main()
