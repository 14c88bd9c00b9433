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
# The sizes that tests write down are constants: 300 * 130 cannot overflow unseen. Nor does it matter
# how a test's few strings and vectors grow.
tidy_one() {
  local checks=""
  if [[ "$2" == *_test.cc ]]; then
    checks=-bugprone-implicit-widening-of-multiplication-result
    checks+=,-performance-inefficient-string-concatenation,-performance-inefficient-vector-operation
  fi
  # "N warnings generated" counts the system's headers, which are not shown.
  clang-tidy -p "$1" --quiet --checks="$checks" "$2" 2> >(grep -v 'warnings generated' >&2)
}
export -f tidy_one
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'tidy_one "$0" "$1"' "$build"
echo "clang-tidy ok: ${#files[@]} files"
