# Sourced by ./test and ./quickstart: installs what the build needs and the machine lacks.
#   install_packages [PACKAGE...]     the list below, and the extra packages named
# Package names are those of Debian 12 and Ubuntu 24.04. Says what and why before it does anything;
# with nothing missing it calls no package manager at all. Elsewhere than on dpkg systems it only
# says what to install.

# Debian 12's default Boost is too old; Ubuntu 24.04's is not.
boost_package() {
  if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
    echo libboost1.81-dev
  else
    echo libboost-dev
  fi
}

# package | the command that also will do, if any | why
fathom_packages() {
  cat <<LIST
g++|c++|the C++ compiler
cmake|cmake|configures the build
ninja-build|ninja|runs the build
pkg-config|pkg-config|finds PCRE2
ccache|ccache|makes rebuilds take seconds
libfmt-dev||text formatting
libspdlog-dev||the log
nlohmann-json3-dev||JSON
libtomlplusplus-dev||TOML, for run files
libexpected-dev||errors as values
libcli11-dev||the command line
libpcre2-dev||Unicode patterns of the tokenizer
zlib1g-dev||training text in .gz
libzstd-dev||training text in .zst
libxxhash-dev||knows tokenised text again by its content
libssl-dev||keyed hashes of cached text; TLS
$(boost_package)||HTTP: Asio and Beast
libsqlite3-dev||keys and usage of a server
libpq-dev||the same in PostgreSQL
bubblewrap|bwrap|runs the programs that a model writes in evaluations
libjs-marked||Markdown in the chat page
libjs-katex||maths in the chat page
libjs-highlight.js||code in the chat page
libgtest-dev||unit tests
libgmock-dev||unit tests
libbenchmark-dev||benchmarks
xz-utils|xz|what the quick start compares the model with
python3|python3|the checks of layers, docs and command-line texts
LIST
}

is_installed() {
  [[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

# run_as_root COMMAND...: directly as root, through sudo otherwise.
run_as_root() {
  if [[ "$(id -u)" == 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

install_packages() {
  local missing=() table="" package command why
  while IFS='|' read -r package command why; do
    if [[ -n "$command" ]] && command -v "$command" >/dev/null; then continue; fi
    if command -v dpkg-query >/dev/null && is_installed "$package"; then continue; fi
    missing+=("$package")
    table+="$(printf '  %-22s %s' "$package" "$why")"$'\n'
  done < <(
    fathom_packages
    for package in "$@"; do echo "$package||asked for by this run"; done
  )
  if [[ ${#missing[@]} == 0 ]]; then return 0; fi

  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "This system has no apt. Where the build below stops, install what it names from this list:" >&2
    printf '%s' "$table" >&2
    return 0
  fi
  echo "These packages are missing and will be installed with apt-get:" >&2
  printf '%s' "$table" >&2
  if [[ "$(id -u)" != 0 ]] && ! command -v sudo >/dev/null; then
    echo "error: installing needs root, and there is no sudo here. As root, run:" >&2
    echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  if ! run_as_root apt-get update -qq >&2; then
    echo "apt-get update failed; trying with the package lists that are here." >&2
  fi
  run_as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
}
