// Speed of encoding and decoding one file, on one core.
//
//   tokenizer_bench TOKENIZER.json TEXT_FILE [--benchmark_min_time=... and other flags of the
//   library]
//
// Verifies first that decoding gives the text back. `encode` encodes the file as one text with a
// warm cache, `split` only cuts it into pieces, `encode/repeated_letter` is one megabyte of "a".
// bytes_per_second counts text.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string>

#include "io/mapped_file.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

void report_bytes(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(static_cast<i64>(state.iterations()) * static_cast<i64>(bytes));
}

void encode(benchmark::State& state, const Tokenizer& tokenizer, std::string_view text) {
  std::vector<i32> ids;
  for ([[maybe_unused]] auto iteration : state) {
    ids.clear();
    tokenizer.encode_to(text, {}, ids);
    benchmark::DoNotOptimize(ids.data());
  }
  report_bytes(state, text.size());
  state.counters["tokens"] = static_cast<double>(ids.size());
}

void split(benchmark::State& state, const Tokenizer& tokenizer, std::string_view text) {
  for ([[maybe_unused]] auto iteration : state) {
    size_t num_pieces = 0;
    tokenizer.spec().pre_tokenizer.split(text, [&](std::string_view) { ++num_pieces; });
    benchmark::DoNotOptimize(num_pieces);
  }
  report_bytes(state, text.size());
}

void decode(benchmark::State& state, const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<i32> ids = tokenizer.encode(text);
  for ([[maybe_unused]] auto iteration : state) {
    benchmark::DoNotOptimize(tokenizer.decode(ids));
  }
  report_bytes(state, text.size());
}

int run(const std::string& tokenizer_path, const std::string& text_path) {
  const Tokenizer tokenizer = value_or_throw(Tokenizer::load(tokenizer_path));
  const io::MappedFile file = value_or_throw(io::MappedFile::open(text_path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  if (tokenizer.decode(tokenizer.encode(text)) != text) {
    std::fprintf(stderr, "%s: decoding its ids does not give the text back\n", text_path.c_str());
    return 1;
  }
  const std::string letters(1'000'000, 'a');
  const auto add = [&](const char* name, auto function, std::string_view input) {
    benchmark::RegisterBenchmark(name, [&tokenizer, function, input](benchmark::State& state) {
      function(state, tokenizer, input);
    })->Unit(benchmark::kMillisecond);
  };
  add("encode", encode, text);
  add("split", split, text);
  add("decode", decode, text);
  add("encode/repeated_letter", encode, letters);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace fathom::tokenizer

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s TOKENIZER.json TEXT_FILE [--benchmark_...]\n", argv[0]);
    return 1;
  }
  try {
    return fathom::tokenizer::run(argv[1], argv[2]);
  } catch (const fathom::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
