#include "train/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "checkpoint/write.h"
#include "config/run/run_file.h"
#include "train/checkpoint/checkpoint.h"
#include "train/config_change.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

/// The lines of a config.json, however its weights are stored: equal for the same model.
std::vector<std::string> model_lines(const ModelConfig& config) {
  std::istringstream text(
      to_json(checkpoint::with_stored_dtype(config, DType::kBF16, ops::ScaleFormat::kF32)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    const size_t begin = line.find_first_not_of(' ');
    if (begin != std::string::npos) lines.push_back(line.substr(begin));
  }
  return lines;
}

void check_same_model(const fs::path& checkpoint, const ModelConfig& now) {
  const ModelConfig before = value_or_throw(load_model_config(checkpoint));
  const std::vector<std::string> old_lines = model_lines(before), new_lines = model_lines(now);
  std::string differences;
  for (const std::string& line : old_lines) {
    if (std::ranges::count(new_lines, line) == 0) differences += "\n  - " + line;
  }
  for (const std::string& line : new_lines) {
    if (std::ranges::count(old_lines, line) == 0) differences += "\n  + " + line;
  }
  if (differences.empty()) return;
  throw Error(ErrorCode::kInvalidInput, fmt::format("{} is of another model than model.config:{}",
                                                    checkpoint.string(), differences));
}

fs::path choose(const RunDirectory& directory, const fs::path& chosen) {
  const std::vector<i64> steps = directory.checkpoint_steps();
  if (chosen.empty()) return steps.empty() ? fs::path() : directory.checkpoint(steps.back());
  for (const i64 step : steps) {
    std::error_code code;
    if (fs::equivalent(directory.checkpoint(step), chosen, code)) return directory.checkpoint(step);
  }
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("{} is no checkpoint of the run {}; to begin a new run from a model, name "
                  "it in model.init_from",
                  chosen.string(), directory.path().string()));
}

/// The newest whole checkpoint before `damaged`, if there is one.
std::optional<fs::path> last_whole_before(const RunDirectory& directory, const fs::path& damaged) {
  std::vector<i64> steps = directory.checkpoint_steps();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const fs::path path = directory.checkpoint(*step);
    if (path < damaged && verify_checkpoint(path)) return path;
  }
  return std::nullopt;
}

CheckpointManifest verified(const RunDirectory& directory, const fs::path& path) {
  auto manifest = verify_checkpoint(path);
  if (manifest) return std::move(*manifest);
  std::string message = manifest.error().message();
  if (const auto whole = last_whole_before(directory, path)) {
    message += fmt::format("\n{} is whole: --resume-from {} goes on from there", whole->string(),
                           whole->string());
  } else {
    message += "\nno whole checkpoint stands before it";
  }
  throw Error(manifest.error().code(), message);
}

}  // namespace

std::optional<ResumePoint> find_resume_point(const RunDirectory& directory, const fs::path& chosen,
                                             const RunSetup& setup) {
  ResumePoint point;
  point.checkpoint = choose(directory, chosen);
  if (point.checkpoint.empty()) return std::nullopt;
  point.manifest = verified(directory, point.checkpoint);
  RunConfig before, after = setup.config;
  value_or_throw(parse_run_file(point.manifest.run_config,
                                (point.checkpoint / "trainer.json").string() + ": run_config", {},
                                field_list(before)));
  point.changes = value_or_throw(accept_changes(before, after, point.manifest.state.step));
  check_same_model(point.checkpoint, setup.model);
  return point;
}

ResumePoint resume_point_of(const fs::path& checkpoint) {
  return {.checkpoint = checkpoint,
          .manifest = value_or_throw(read_manifest(checkpoint)),
          .changes = {}};
}

void restore_trainer(Ctx& ctx, const RunSetup& setup, const ResumePoint& point, Trainer& trainer) {
  if (io::to_string(trainer.stage().fingerprint()) != point.manifest.data_fingerprint) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: the training text is not the text this run began with: files, "
                            "tokenizer, weights, order or sequence length have changed",
                            point.checkpoint.string()));
  }
  read_checkpoint(ctx, setup.model, trainer.shards(), point.checkpoint, trainer.optimizer().state(),
                  trainer.model().weights());
  const i64 micro = trainer.state().micro_batch_sequences;
  trainer.state() = point.manifest.state;
  trainer.state().micro_batch_sequences = micro;
}

}  // namespace fathom::train
