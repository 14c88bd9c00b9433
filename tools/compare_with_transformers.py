#!/usr/bin/env python3
"""Compares what `fathom score --dump-logits FILE` wrote with transformers on the same directory.

    python tools/compare_with_transformers.py DIR --dump-logits FILE.safetensors --token-ids 5,7,9
    python tools/compare_with_transformers.py tests/golden/v3 --golden
    python tools/compare_with_transformers.py tests/golden/v3 --golden --tensor logits_bf16

FILE holds `logits [tokens, vocab] f32`; token ids come from --token-ids, else from `input_ids`
of FILE or of the directory's golden.safetensors. With --golden the golden's own logits are
compared, which tells how the installed transformers behaves. FP8 weights are dequantised first.
Exit status 1 when max |difference| / max |logit| exceeds --tolerance.
"""

import argparse
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parent / "golden"))
from hf_checkpoint import load_model  # noqa: E402


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("directory", type=Path, help="a Hugging Face directory")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--dump-logits", type=Path, metavar="FILE")
    source.add_argument("--golden", action="store_true", help="compare DIR/golden.safetensors")
    parser.add_argument("--tensor", default="logits", help="name of the logits in FILE")
    parser.add_argument(
        "--token-ids", help="comma-separated; default: input_ids of FILE or of the golden"
    )
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--tolerance", type=float, default=1e-4)
    return parser.parse_args()


def find_ids(arguments: argparse.Namespace, dump: dict[str, torch.Tensor]) -> torch.Tensor:
    if arguments.token_ids:
        return torch.tensor([int(token) for token in arguments.token_ids.split(",")])
    golden = arguments.directory / "golden.safetensors"
    if "input_ids" in dump:
        return dump["input_ids"].long().flatten()
    if golden.exists():
        return load_file(golden)["input_ids"]
    sys.exit("no token ids: give --token-ids, or a dump with input_ids")


def report(got: torch.Tensor, want: torch.Tensor, tolerance: float) -> bool:
    """Prints the worst position; true if all are within tolerance of the largest |logit|."""
    if got.shape != want.shape:
        print(f"shape of the dump {list(got.shape)}, of transformers {list(want.shape)}")
        return False
    if not torch.isfinite(got).all():
        print("the dump holds values that are not finite")
        return False
    largest = want.abs().max().item()
    by_position = (got.double() - want.double()).abs().amax(dim=1) / largest
    worst = by_position.argmax().item()
    same_best = (got.argmax(dim=1) == want.argmax(dim=1)).sum().item()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    print(f"positions {len(got)}, vocabulary {got.shape[1]}, largest |logit| {largest:.6g}")
    print(f"max relative error {by_position[worst]:.3e} at position {worst}")
    print(f"mean over positions {by_position.mean():.3e}")
    print(f"same best token at {same_best} of {len(got)} positions")
    return by_position[worst].item() <= tolerance


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    file = arguments.directory / "golden.safetensors" if arguments.golden else arguments.dump_logits
    dump = load_file(file)
    if arguments.tensor not in dump:
        sys.exit(f"{file}: no tensor '{arguments.tensor}', found {sorted(dump)}")
    ids = find_ids(arguments, dump)
    model, _ = load_model(arguments.directory, getattr(torch, arguments.dtype))
    with torch.no_grad():
        want = model(input_ids=ids[None], use_cache=False).logits[0].float()
    ok = report(dump[arguments.tensor].float(), want, arguments.tolerance)
    print("within" if ok else "OUTSIDE", f"the tolerance {arguments.tolerance:g}")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
