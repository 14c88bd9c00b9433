#include "cli/tokenizer/tokenizer_train.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "io/files/output_path.h"
#include "io/json.h"

namespace fathom::cli {
namespace {

io::JsonValue to_json(const tokenizer::TrainReport& report) {
  io::JsonObject object;
  object.set("files", report.num_files);
  object.set("text_bytes", report.text.text_bytes);
  object.set("distinct_words", report.num_distinct_words);
  object.set("vocab_size", report.vocab_size);
  object.set("merges", report.num_merges);
  object.set("tokens", report.num_tokens);
  object.set("count_seconds", report.count_seconds);
  object.set("merge_seconds", report.merge_seconds);
  io::JsonArray warnings;
  for (const std::string& warning : report.warnings()) warnings.emplace_back(warning);
  object.set("warnings", std::move(warnings));
  return object;
}

}  // namespace

void TokenizerTrain::add(Arguments& parent) {
  command_ = parent.add_command("train", "Learn a byte-level BPE tokenizer from text");
  command_.add_option("paths", options_.paths, "Files and folders (.txt, .md, .jsonl)").required();
  command_.add_option("-o,--out", out_, "Directory for tokenizer.json and tokenizer_config.json")
      .required()
      .type_name("DIR");
  command_.add_option("--vocab-size", options_.vocab_size, "Ids in all, special tokens included")
      .check(integer_from(1))
      .show_default();
  command_.add_option("--text-field", options_.text_field, "Field of .jsonl lines").show_default();
  command_
      .add_option("--min-frequency", options_.min_frequency,
                  "Never merge a pair that occurs less often")
      .check(integer_from(0));
  command_
      .add_option("--max-token-bytes", options_.max_token_length,
                  "Longest token; 0: 32768, the longest that can be read back")
      .check(integer_from(0));
  command_.add_option("--max-memory-gib", max_memory_gib_, "Stop with an error beyond this")
      .check(integer_between(1, 1 << 20))
      .show_default();
  command_.add_flag("--json", json_, "Print the report as JSON");
  command_.footer(
      "Pre-tokenizer and special tokens are DeepSeek-V3's; Hugging Face loads the result.\n"
      "Example: fathom tokenizer train books/ notes.md --vocab-size 32768 --out my-tokenizer");
}

bool TokenizerTrain::chosen() const { return command_.chosen(); }

int TokenizerTrain::run() {
  io::require_output_directory(out_);
  options_.max_memory_bytes = max_memory_gib_ << 30;
  const InterruptGuard interrupt;
  ProgressLine progress;
  const tokenizer::TrainedTokenizer trained = value_or_throw(
      tokenizer::train_tokenizer(options_, [&](tokenizer::TrainPhase phase, i64 done, i64 total) {
        interrupt.check();
        progress.update(tokenizer::phase_name(phase), done, total);
      }));
  trained.save(out_);
  const tokenizer::TrainReport& report = trained.report;
  for (const std::string& warning : report.warnings()) log::warn("{}", warning);
  if (json_) {
    out::print("{}\n", io::write_json(to_json(report)));
    return kExitOk;
  }
  out::print("{}/tokenizer.json: {} ids, {} merges from {} of text in {} files\n", out_,
             report.vocab_size, report.num_merges, format_bytes(report.text.text_bytes),
             report.num_files);
  out::print("{:.3f} bytes a token on this text; {:.1f} s reading, {:.1f} s merging\n",
             static_cast<double>(report.text.text_bytes) /
                 static_cast<double>(std::max<i64>(1, report.num_tokens)),
             report.count_seconds, report.merge_seconds);
  return kExitOk;
}

}  // namespace fathom::cli
