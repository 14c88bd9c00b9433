#!/usr/bin/env bash
# clang-tidy over every source of src/, with .clang-tidy's checks as errors.
#   tools/tidy.sh BUILD_DIR [JOBS] [FILE...]     BUILD_DIR has compile_commands.json of a Clang build
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build="${1:?usage: tools/tidy.sh BUILD_DIR [JOBS] [FILE...]}"
jobs="${2:-$(nproc)}"
shift $(($# < 2 ? $# : 2))

# Files without an entry (CUDA, what needs an absent library) are not this build's.
if [[ $# == 0 ]]; then
  mapfile -t files < <(python3 - "$build/compile_commands.json" <<'PY'
import json, os, sys
for entry in json.load(open(sys.argv[1])):
    path = os.path.relpath(entry["file"])
    if path.startswith("src/"):
        print(path)
PY
  )
else
  files=("$@")
fi
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$jobs" clang-tidy -p "$build" --quiet --warnings-as-errors='*'
echo "clang-tidy ok: ${#files[@]} files"
