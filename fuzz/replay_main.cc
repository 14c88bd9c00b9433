// Runs a fuzz target without libFuzzer: every file of a corpus, then mutations of each that are
// drawn from a fixed seed. Passing means that nothing crashed, hung or was caught by a sanitizer.
//   NAME_replay CORPUS_DIR [MUTATIONS_PER_FILE]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/types.h"

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size);

namespace fathom {
namespace {

using Bytes = std::vector<u8>;

constexpr int kDefaultMutations = 400;
// What files of formats break on: ends of numbers, structure, other encodings.
constexpr u8 kLikelyBytes[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '\\', '{',  '}',  '[',
                               ']',  ',',  ':',  '-',  '9',  'e', '.',  '\n', 0xc0, 0xed};

/// One to four edits of `input`: a bit, a byte, a cut, a doubled or a removed part.
Bytes mutate(const Bytes& input, u64 seed) {
  const Philox rng(seed, 0);
  u64 draws = 0;
  const auto below = [&](size_t n) {
    return static_cast<size_t>(rng.uniform(draws++) * static_cast<double>(n));
  };
  Bytes out = input;
  for (size_t edits = 1 + below(4); edits > 0 && !out.empty(); --edits) {
    const size_t at = below(out.size());
    const auto position = out.begin() + static_cast<std::ptrdiff_t>(at);
    const size_t length = std::min(out.size() - at, 1 + below(32));
    const auto part_end = position + static_cast<std::ptrdiff_t>(length);
    switch (below(5)) {
      case 0:
        out[at] ^= static_cast<u8>(1u << below(8));
        break;
      case 1:
        out[at] = kLikelyBytes[below(std::size(kLikelyBytes))];
        break;
      case 2:
        out.resize(at);
        break;
      case 3:
        out.erase(position, part_end);
        break;
      default: {
        const Bytes part(position, part_end);
        out.insert(position, part.begin(), part.end());
      }
    }
  }
  return out;
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

int replay(const std::filesystem::path& folder, int mutations) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  u64 seed = 0;
  for (const auto& path : files) {
    const Bytes input = read_file(path);
    LLVMFuzzerTestOneInput(input.data(), input.size());
    for (int i = 0; i < mutations; ++i) {
      const Bytes mutated = mutate(input, ++seed);
      LLVMFuzzerTestOneInput(mutated.data(), mutated.size());
    }
  }
  std::printf("%zu files, %d mutations each\n", files.size(), mutations);
  return files.empty() ? 1 : 0;  // a corpus that went missing must not pass
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIR [MUTATIONS_PER_FILE]\n", argv[0]);
    return 1;
  }
  return fathom::replay(argv[1], argc > 2 ? std::atoi(argv[2]) : fathom::kDefaultMutations);
}
