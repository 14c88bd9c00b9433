// The run files that are printed in docs/posttraining.md and lie in configs/train/r1 say what they
// claim: they are read as they stand, with paths and sizes of a test instead of theirs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "config/run/run_file.h"
#include "posttrain/load_stage.h"
#include "posttrain/sft/test_support.h"
#include "train/run/setup.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The fenced blocks of a document that are run files.
std::vector<std::string> run_files_in(const std::string& document) {
  std::vector<std::string> files;
  const std::string fence = "```\n";
  for (size_t at = document.find(fence + "[run]"); at != document.npos;
       at = document.find(fence + "[run]", at + 1)) {
    const size_t begin = at + fence.size();
    files.push_back(document.substr(begin, document.find("```", begin) - begin));
  }
  return files;
}

class RunFilesTest : public ::testing::Test {
 protected:
  /// Loads the stage of a run file on the tiny model and its own lines.
  void load(const std::string& text, const std::string& where) {
    RunConfig config;
    const std::string golden = sft_golden().string();
    std::vector<std::string> settings = {"model.init_from=" + golden,
                                         "model.config=" + golden,
                                         "model.tokenizer=" + golden,
                                         "run.out=" + (dir_ / "out").string(),
                                         "data.seq_len=128",
                                         "grpo.max_new_tokens=32",
                                         "distill.max_new_tokens=32",
                                         "grpo.group_size=4",
                                         "grpo.prompts=2",
                                         "sft.chat_template=deepseek-v3.1",
                                         "distill.teacher=" + golden};
    const auto read = parse_run_file(text, where, settings, field_list(config));
    ASSERT_TRUE(read.has_value()) << where << ": " << read.error().message();
    const bool judges = config.run.stage == TrainStage::kGrpo;
    const fs::path lines =
        dir_.write("lines.jsonl", judges ? "{\"prompt\": \"a\", \"answer\": \"b\"}\n"
                                         : "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
    for (auto* sources : {&config.data.train, &config.data.validation}) {
      for (auto& [name, source] : *sources) source.paths = {lines.string()};
    }
    if (config.run.stage == TrainStage::kSample) return;
    const LoadedStage loaded = load_stage(config);
    const auto setup = train::load_run_setup(loaded.config);
    EXPECT_TRUE(setup.has_value()) << where << ": " << (setup ? "" : setup.error().message());
  }

  testing::TempDir dir_;
};

TEST_F(RunFilesTest, OfTheManual) {
  const std::vector<std::string> files =
      run_files_in(text_of(fs::path(FATHOM_SOURCE_DIR) / "docs" / "posttraining.md"));
  ASSERT_EQ(files.size(), 5u);
  for (size_t i = 0; i < files.size(); ++i) load(files[i], fmt::format("block {}", i + 1));
}

TEST_F(RunFilesTest, OfTheRecipes) {
  i64 count = 0;
  for (const char* folder : {"r1", "rl"}) {
    for (const auto& entry :
         fs::directory_iterator(fs::path(FATHOM_SOURCE_DIR) / "configs" / "train" / folder)) {
      std::string text = text_of(entry.path());
      // The demonstration's sources are named on the command line.
      if (text.find("[data.train") == text.npos) {
        text += "\n[data.train.any]\npaths = [\"named on the command line\"]\n";
      }
      load(text, entry.path().filename().string());
      ++count;
    }
  }
  EXPECT_EQ(count, 9);
}

}  // namespace
}  // namespace fathom::posttrain
