// From a run file to the stage: tokenizer, template, samples.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "posttrain/sft/sample_reader.h"
#include "posttrain/sft/sft.h"
#include "train/run_setup.h"
#include "train/run_text.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;

/// What the run's own keys become for this stage.
RunConfig of_stage(RunConfig config) {
  config.data.isolate_documents = true;
  if (config.sft.freeze_router_bias) config.recipe.balance.bias_update_speed = 0.0;
  return config;
}

/// The template by name, or the one that the tokenizer's directory brings; why there is none goes
/// to `config` and is said where a line needs one.
void find_template(const RunConfig& run, SampleReaderConfig& config) {
  const fs::path tokenizer = run.model.tokenizer_path();
  const fs::path directory = fs::is_directory(tokenizer) ? tokenizer : tokenizer.parent_path();
  auto found = tokenizer::load_chat_template(directory, run.sft.chat_template);
  if (!found) {
    if (!run.sft.chat_template.empty()) throw Error(found.error());
    config.no_template = found.error().message();
    return;
  }
  if (auto fits = tokenizer::check_chat_tokens(*found->chat_template, *config.tokenizer); !fits) {
    if (!run.sft.chat_template.empty()) throw Error(fits.error());
    config.no_template = fits.error().message();
    return;
  }
  config.chat = *found;
}

std::string line_of(const SampleStatistics& source) {
  return fmt::format("  {}: {} lines, {} samples, {} tokens of which {} are learnt, the longest "
                     "sample has {}; {} too long\n",
                     source.name, source.lines, source.samples, source.tokens, source.supervised,
                     source.longest, source.too_long);
}

SampleSet read_set(const SampleReaderConfig& reader, const SourceConfig& source,
                   const std::string& where, i32 number, SampleSet set, std::string& statistics) {
  const SampleStatistics read = read_samples(reader, source, where, number, set);
  statistics += line_of(read);
  if (read.samples == 0) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: no sample of at most data.seq_len = {} tokens among {} lines; the "
                            "longest has {}",
                            where, reader.max_tokens, read.lines, read.longest));
  }
  return set;
}

SampleReaderConfig reader_config(const RunConfig& run, const tokenizer::Tokenizer& tokenizer) {
  SampleReaderConfig config;
  config.tokenizer = &tokenizer;
  config.bos = run.data.bos_token.empty() ? std::nullopt : tokenizer.token_to_id(run.data.bos_token);
  config.eos = tokenizer.token_to_id(run.data.eos_token);
  config.max_tokens = run.data.seq_len;
  config.too_long = run.sft.too_long;
  find_template(run, config);
  return config;
}

std::vector<i64> end_ids(const SampleReaderConfig& reader) {
  if (reader.chat.chat_template == nullptr) return {};
  const auto id = reader.tokenizer->token_to_id(reader.chat.chat_template->end_of_turn);
  return id ? std::vector<i64>{*id} : std::vector<i64>{};
}

void check_sources(const DataConfig& data) {
  if (data.train.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                "data.train: no source: add [data.train.NAME] with paths");
  }
  for (const auto& [name, source] : data.train) {
    if (source.weight == 0.0) continue;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("data.train.{}.weight: {}, but stage sft takes every sample once an "
                            "epoch; leave it out",
                            name, source.weight));
  }
}

}  // namespace

LoadedStage load_sft(const RunConfig& config) {
  LoadedStage loaded{.config = of_stage(config), .stage = nullptr};
  check_sources(config.data);
  RunConfig any_length = loaded.config;  // the run's own is known behind the packing
  if (any_length.train.tokens == 0 && any_length.train.steps == 0) {
    any_length.train.steps = std::max<i64>(1, config.schedule.warmup_steps);
  }
  train::RunSetup setup = value_or_throw(train::load_run_setup(any_length));
  const train::RunText text = train::load_run_text(setup);
  const SampleReaderConfig reader = reader_config(config, text.tokenizer);
  std::string statistics = fmt::format(
      "samples, chat template {}:\n",
      reader.chat.chat_template == nullptr ? "none" : reader.chat.chat_template->name);
  SampleSet train;
  std::vector<std::string> names;
  for (const auto& [name, source] : config.data.train) {
    train = read_set(reader, source, "data.train." + name, static_cast<i32>(names.size()),
                     std::move(train), statistics);
    names.push_back(name);
  }
  std::vector<Sft::NamedSet> validation;
  for (const auto& [name, source] : config.data.validation) {
    validation.push_back(
        {name, read_set(reader, source, "data.validation." + name, 0, {}, statistics)});
  }
  auto stage = std::make_unique<Sft>(loaded.config, setup.model.num_nextn_predict_layers,
                                     std::move(train), std::move(names), std::move(validation),
                                     std::move(statistics), end_ids(reader));
  TrainSection& length = loaded.config.train;
  if (length.tokens == 0 && length.steps == 0) {
    const double rows =
        config.sft.epochs * static_cast<double>(stage->samples().rows_per_epoch());
    length.tokens = std::max<i64>(1, std::llround(rows)) * config.data.seq_len;
  }
  loaded.stage = std::move(stage);
  return loaded;
}

}  // namespace fathom::posttrain
