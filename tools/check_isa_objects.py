#!/usr/bin/env python3
"""Fail if an object compiled with instruction-set flags exports anything the linker may share.

Usage: check_isa_objects.py BUILD_DIR [--nm NM]

A template or inline function instantiated in a file compiled with -mavx512f is a weak symbol, and
the linker keeps one copy for the whole program: perhaps this one, which crashes older CPUs. So the
files named <family>_<isa>.cc are freestanding, and their objects hold no weak and no unique symbol.
"""
import argparse
import pathlib
import re
import subprocess
import sys

# linear_avx2.cc.o, gemm_avx512_bf16.cc.o ...
ISA_OBJECT = re.compile(r"_(scalar|avx2|avx512|amx)\w*\.cc\.o$")
# nm's letters: W/w weak, V/v weak object, u unique global.
SHARED = set("WwVvu")


def shared_symbols(nm_output):
    """-> the mangled names of weak and unique symbols in `nm` output."""
    names = []
    for line in nm_output.splitlines():
        fields = line.split()
        if len(fields) >= 2 and len(fields[-2]) == 1 and fields[-2] in SHARED:
            names.append(fields[-1])
    return names


def check(build_dir, nm):
    """-> (objects looked at, errors)."""
    objects = sorted(p for p in build_dir.rglob("*.o") if ISA_OBJECT.search(p.name))
    errors = []
    for path in objects:
        run = subprocess.run([nm, str(path)], capture_output=True, text=True, check=True)
        errors += [f"{path.name}: weak symbol {name}" for name in shared_symbols(run.stdout)]
    if not objects:
        errors.append(f"no ISA object found under {build_dir}: was fathom_kernels built?")
    return objects, errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build_dir", type=pathlib.Path)
    parser.add_argument("--nm", default="nm")
    args = parser.parse_args()
    objects, errors = check(args.build_dir, args.nm)
    if errors:
        print("\n".join(errors))
        return 1
    print(f"isa objects ok: {', '.join(p.name for p in objects)}: zero weak symbols")
    return 0


if __name__ == "__main__":
    sys.exit(main())
