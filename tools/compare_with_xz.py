#!/usr/bin/env python3
"""Bits per byte of a run's validation sets beside `xz -9e` on the same text.

  compare_with_xz.py RUN TEXT

RUN/metrics.jsonl has the model's figures (its last validation); TEXT/DOMAIN/valid holds the text. xz sees a
domain's files one after another, in the order of their names.
"""
import json
import pathlib
import subprocess
import sys


def validation_figures(run):
    """-> {set: bits per byte} of the last validation."""
    figures = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "validation":
            figures[row["set"]] = row["bits_per_byte"]
    return figures


def xz_bits_per_byte(folder):
    text = b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())
    packed = subprocess.run(["xz", "-9e", "-c"], input=text, stdout=subprocess.PIPE, check=True).stdout
    return 8 * len(packed) / len(text), len(text)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    run, text = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    figures = validation_figures(run)
    if not figures:
        sys.exit(f"error: {run}/metrics.jsonl has no validation")
    print(f"{'domain':10s} {'held-out text':>13s} {'xz -9e':>8s} {'model':>8s}")
    won = 0
    for domain, model in sorted(figures.items()):
        xz, size = xz_bits_per_byte(text / domain / "valid")
        won += model < xz
        print(f"{domain:10s} {size / 1e6:10.2f} MB {xz:8.3f} {model:8.3f}  {'model' if model < xz else 'xz'} needs fewer")
    print(f"The model needs fewer bits per byte than xz in {won} of {len(figures)} domains.")


if __name__ == "__main__":
    main()
