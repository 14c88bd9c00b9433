#!/usr/bin/env bash
# Gathers real text that apt installs, for ./quickstart: three domains, each with its own validation
# files that training never sees.
#
# usage: tools/gather_text.sh OUT
#
#   OUT/quotes/{train,valid}  sayings and jokes, package fortunes; documents end at a line "%"
#   OUT/docs/{train,valid}    Perl's manual, package perl-doc
#   OUT/code/{train,valid}    the C++ standard library's headers, package libstdc++-*-dev
#
# A file is copied whole to one side. Every Nth of the sorted names is validation, so the split is the
# same on every machine with the same packages. A folder that is complete is left as it is.
set -euo pipefail

[[ $# == 1 ]] || { echo "usage: tools/gather_text.sh OUT" >&2; exit 1; }
out="$1"

# gather DOMAIN EVERY: names of files on standard input, a line each.
gather() {
  local domain="$1" every="$2" number=0 path side
  local work="$out/.$domain.partial"
  rm -rf "$work"
  mkdir -p "$work/train" "$work/valid"
  while IFS= read -r path; do
    number=$((number + 1))
    side=train
    if ((number % every == 0)); then side=valid; fi
    # One flat folder: the number keeps headers of one name apart, .txt says that it is text.
    cp "$path" "$work/$side/$(printf '%04d' "$number")-$(basename "$path").txt"
  done
  if ((number < every)); then
    rm -rf "$work"
    echo "error: $number files for the domain '$domain', expected at least $every: is its package installed?" >&2
    return 1
  fi
  rm -rf "${out:?}/$domain"
  mv "$work" "$out/$domain"
}

newest_headers() { find /usr/include/c++ -mindepth 1 -maxdepth 1 -type d | sort -V | tail -n 1; }

mkdir -p "$out"
export LC_ALL=C
if [[ ! -d "$out/quotes" ]]; then
  find /usr/share/games/fortunes -type f ! -name '*.dat' ! -name '*.u8' | sort | gather quotes 8
fi
if [[ ! -d "$out/docs" ]]; then
  find /usr/share/perl -name '*.pod' -type f | sort | gather docs 20
fi
if [[ ! -d "$out/code" ]]; then
  find "$(newest_headers)" -type f | sort | gather code 20
fi
for domain in quotes docs code; do
  printf '%-7s %5.1f MB to train on, %4.2f MB held out\n' "$domain" \
    "$(cat "$out/$domain/train/"* | wc -c | awk '{print $1 / 1e6}')" \
    "$(cat "$out/$domain/valid/"* | wc -c | awk '{print $1 / 1e6}')"
done
