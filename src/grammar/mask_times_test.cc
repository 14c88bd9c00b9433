// How long masks take over MaskBench's valid instances, one thread, each schema compiled anew.
// FATHOM_MASKBENCH_TOKENIZER: a tokenizer.json, of 128K tokens for comparison with others.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "grammar/compile.h"
#include "grammar/test_maskbench.h"
#include "tokenizer/tokenizer.h"

namespace fathom::grammar {
namespace {

struct Times {
  std::vector<double> mask_us, compile_us, memory_kb;
  i64 forced = 0;
};

void print(const char* what, std::vector<double> all) {
  std::sort(all.begin(), all.end());
  double sum = 0;
  for (const double each : all) sum += each;
  const auto share = [&](double s) {
    return all[static_cast<size_t>(s * static_cast<double>(all.size() - 1))];
  };
  fmt::print("{}: {} times, mean {:.1f}, median {:.1f}, 95 % {:.1f}, 99 % {:.1f}, most {:.1f}\n",
             what, all.size(), sum / static_cast<double>(all.size()), share(0.5), share(0.95),
             share(0.99), all.back());
}

void measure(const io::JsonValue& benchmark, const tokenizer::Tokenizer& tokenizer,
             const std::shared_ptr<const Vocabulary>& vocabulary, Times& times) {
  const double begin = cpu_ms();
  const auto compiled = compile(
      {.kind = GrammarSpec::Kind::kJsonSchema, .text = io::write_json(*benchmark.find("schema"))});
  if (compiled) static_cast<void>(compiled->grammar->masks(vocabulary));
  times.compile_us.push_back((cpu_ms() - begin) * 1e3);
  if (!compiled) return;
  for (const io::JsonValue& test : benchmark.find("tests")->as_array()) {
    if (!test.find("valid")->as_bool()) continue;
    Matcher matcher(compiled->grammar, vocabulary);
    for (const i32 id :
         tokenizer.encode(python_text(*test.find("data")), {.text = tokenizer::TextKind::kPlain})) {
      const double start = cpu_ms();
      const bool allowed = has_token(matcher.allowed(), id);
      times.mask_us.push_back((cpu_ms() - start) * 1e3);
      times.forced += matcher.forced_token() >= 0 ? 1 : 0;
      ASSERT_EQ(matcher.accept(id), allowed);
      if (!allowed) break;  // its properties come in another order
    }
  }
  times.memory_kb.push_back(static_cast<double>(compiled->grammar->memory_bytes()) / 1024);
}

TEST(MaskTimesTest, MaskBench) {
  const char* path = std::getenv("FATHOM_MASKBENCH_TOKENIZER");
  const auto files = maskbench_files();
  if (path == nullptr || files.empty()) {
    GTEST_SKIP() << "FATHOM_MASKBENCH or FATHOM_MASKBENCH_TOKENIZER is not set";
  }
  const auto tokenizer = value_or_throw(tokenizer::Tokenizer::load(path));
  const auto vocabulary = std::make_shared<const Vocabulary>(tokenizer);
  Times times;
  for (const auto& file : files) {
    const auto benchmark = io::read_json(file, {.max_depth = 200});
    if (!benchmark) continue;
    try {
      measure(*benchmark, tokenizer, vocabulary, times);
    } catch (const BudgetError& error) {
      ADD_FAILURE() << file.filename().string() << ": " << error.message();
    }
  }
  print("mask, us", times.mask_us);
  print("compile, us", times.compile_us);
  print("memory of a schema and its masks, KiB", times.memory_kb);
  fmt::print("forced: {:.1f} % of tokens\n",
             100.0 * static_cast<double>(times.forced) / static_cast<double>(times.mask_us.size()));
}

}  // namespace
}  // namespace fathom::grammar
