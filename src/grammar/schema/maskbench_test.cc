// MaskBench (guidance-ai/jsonschemabench, folder data of maskbench): FATHOM_MASKBENCH names it; it
// is too large to stand here. FATHOM_MASKBENCH_LIST: where to write a line for each schema.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "grammar/schema/compile_schema.h"
#include "grammar/test_accepts.h"

namespace fathom::grammar {
namespace {

using io::JsonValue;
using testing::Walker;

/// As Python's json.dumps writes it.
std::string python_text(const JsonValue& value) {
  std::string text;
  if (value.is_array()) {
    for (const JsonValue& item : value.as_array()) {
      text += (text.empty() ? "" : ", ") + python_text(item);
    }
    return "[" + text + "]";
  }
  if (!value.is_object()) return io::write_json(value);
  for (const auto& [name, member] : value.as_object()) {
    text +=
        (text.empty() ? "" : ", ") + io::write_json(JsonValue(name)) + ": " + python_text(member);
  }
  return "{" + text + "}";
}

/// Leads `state` through `value` with its members in whatever order the grammar wants them.
bool feed_in_any_order(Walker& walker, Walker::State& state, const JsonValue& value) {
  if (value.is_array()) {
    if (!walker.feed(state, "[")) return false;
    for (size_t i = 0; i < value.as_array().size(); ++i) {
      if (i > 0 && !walker.feed(state, ", ")) return false;
      if (!feed_in_any_order(walker, state, value.as_array()[i])) return false;
    }
    return walker.feed(state, "]");
  }
  if (!value.is_object()) return walker.feed(state, io::write_json(value));
  std::vector<io::JsonMember> left(value.as_object().begin(), value.as_object().end());
  if (!walker.feed(state, "{")) return false;
  const auto feed_key = [&](Walker::State& to, const io::JsonMember& member, bool first) {
    return walker.feed(to, (first ? "" : ", ") + io::write_json(JsonValue(member.first)) + ": ");
  };
  for (bool first = true; !left.empty(); first = false) {
    std::vector<const io::JsonMember*> possible;
    for (const io::JsonMember& member : left) {
      Walker::State next = state;
      if (feed_key(next, member, first)) possible.push_back(&member);
    }
    // The one after which all the others that are possible now are possible still.
    const io::JsonMember* chosen = nullptr;
    for (const io::JsonMember* member : possible) {
      Walker::State next = state;
      feed_key(next, *member, first);
      if (!feed_in_any_order(walker, next, member->second)) continue;
      const bool others = std::ranges::all_of(possible, [&](const io::JsonMember* other) {
        Walker::State after = next;
        return other == member || feed_key(after, *other, false);
      });
      if (!others) continue;
      state = next;
      chosen = member;
      break;
    }
    if (chosen == nullptr) return false;
    left.erase(left.begin() + (chosen - left.data()));
  }
  return walker.feed(state, "}");
}

struct Outcome {
  std::string status;  // handled, weakened, refused, accepts an invalid one, refuses a valid one
  std::string reason;
  double compile_ms = 0;
};

std::string judge(Walker& walker, const JsonValue& tests) {
  size_t index = 0;
  for (const JsonValue& test : tests.as_array()) {
    const std::string text = python_text(*test.find("data"));
    size_t stopped_at = 0;
    const bool accepted = walker.accepts(text, &stopped_at);
    if (accepted && !test.find("valid")->as_bool()) {
      return fmt::format("accepts an invalid one\ttest {}: {}", index, text.substr(0, 200));
    }
    if (!accepted && test.find("valid")->as_bool()) {
      Walker::State state = walker.start();
      if (feed_in_any_order(walker, state, *test.find("data")) && walker.is_whole(state)) {
        return fmt::format("wants another order of properties\ttest {}", index);
      }
      const size_t begin = stopped_at > 80 ? stopped_at - 80 : 0;
      return fmt::format("refuses a valid one\ttest {}: byte {}: {} HERE {}", index, stopped_at,
                         text.substr(begin, stopped_at - begin), text.substr(stopped_at, 60));
    }
    ++index;
  }
  return "handled\t";
}

Outcome run(const JsonValue& benchmark) {
  const auto start = std::chrono::steady_clock::now();
  RuleArena rules;
  Outcome outcome;
  const auto took = [&] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
  };
  try {
    const auto compiled = compile_schema(rules, *benchmark.find("schema"));
    if (!compiled) return {"refused", compiled.error().message(), took()};
    if (auto finished = rules.finish(); !finished) {
      return {"refused", finished.error().message(), took()};
    }
    outcome.compile_ms = took();
    for (const SchemaFinding& finding : compiled->findings) {
      if (finding.kind != SchemaFinding::Kind::kWeakened) continue;
      return {"weakened", finding.pointer + ": " + finding.keyword + ": " + finding.message,
              outcome.compile_ms};
    }
    Walker walker(rules, compiled->root);
    const std::string judged = judge(walker, *benchmark.find("tests"));
    outcome.status = judged.substr(0, judged.find('\t'));
    outcome.reason = judged.substr(judged.find('\t') + 1);
    return outcome;
  } catch (const BudgetError& error) {
    return {"refused", error.message(), took()};
  }
}

TEST(MaskBenchTest, HandlesMoreSchemasThanItsPeers) {
  const char* folder = std::getenv("FATHOM_MASKBENCH");
  if (folder == nullptr) GTEST_SKIP() << "FATHOM_MASKBENCH names no folder";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::ofstream list;
  if (const char* path = std::getenv("FATHOM_MASKBENCH_LIST")) list.open(path);
  const char* stride = std::getenv("FATHOM_MASKBENCH_STRIDE");
  const size_t every = stride == nullptr ? 1 : static_cast<size_t>(std::atoi(stride));
  std::map<std::string, i64> counts;
  std::vector<double> compile_ms;
  for (size_t i = 0; i < files.size(); i += every) {
    const auto benchmark = io::read_json(files[i], {.max_depth = 200});
    if (!benchmark) {
      list << files[i].filename().string() << "\tunreadable\t" << benchmark.error().message()
           << "\n";
      continue;
    }
    const auto begin = std::chrono::steady_clock::now();
    const Outcome outcome = run(*benchmark);
    const double total =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    ++counts[outcome.status];
    compile_ms.push_back(outcome.compile_ms);
    list << files[i].filename().string() << '\t' << outcome.status << '\t'
         << fmt::format("{:.2f}\t{:.2f}", outcome.compile_ms, total) << '\t' << outcome.reason
         << std::endl;
  }
  for (const auto& [status, count] : counts) fmt::print("{}: {}\n", status, count);
  std::sort(compile_ms.begin(), compile_ms.end());
  for (const double share : {0.5, 0.95, 0.99, 1.0}) {
    const size_t at = static_cast<size_t>(share * static_cast<double>(compile_ms.size() - 1));
    fmt::print("compiles within {:.2f} ms: {:.0f} %\n", compile_ms[at], 100 * share);
  }
  EXPECT_EQ(counts["accepts an invalid one"], 0);
  if (every == 1) {
    EXPECT_GT(counts["handled"], 9487);
  }
}

}  // namespace
}  // namespace fathom::grammar
