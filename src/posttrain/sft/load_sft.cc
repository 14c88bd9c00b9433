// From a run file to the stage: tokenizer, template, samples.
#include <fmt/format.h>

#include <cmath>

#include "posttrain/sft/sample_reader.h"
#include "posttrain/sft/sft.h"
#include "posttrain/warm_up.h"
#include "train/run/setup.h"
#include "train/run/text.h"

namespace fathom::posttrain {
namespace {

/// What the run's own keys become for this stage.
RunConfig of_stage(RunConfig config) {
  config.data.isolate_documents = true;
  if (config.sft.freeze_router_bias) config.recipe.balance.bias_update_speed = 0.0;
  return config;
}

std::string line_of(const SampleStatistics& source) {
  return fmt::format(
      "  {}: {} lines, {} samples, {} tokens of which {} are learnt, the longest "
      "sample has {}; {} too long\n",
      source.name, source.lines, source.samples, source.tokens, source.supervised, source.longest,
      source.too_long);
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

SampleReaderConfig reader_config(const RunConfig& run, const tokenizer::Tokenizer& tokenizer,
                                 const ChatChoice& chat) {
  SampleReaderConfig config;
  config.tokenizer = &tokenizer;
  config.chat = chat;
  const std::string& bos = run.data.bos_token;
  config.bos = bos.empty() ? std::nullopt : tokenizer.token_to_id(bos);
  config.eos = tokenizer.token_to_id(run.data.eos_token);
  config.max_tokens = run.data.seq_len;
  config.too_long = run.sft.too_long;
  return config;
}

}  // namespace

SftParts read_sft_parts(const RunConfig& config, const CheckSample& check) {
  const RunConfig resolved = of_stage(config);
  check_sources(config.data);
  if (config.recipe.balance.batch_aux_loss_weight > 0.0) {
    throw Error(ErrorCode::kUnsupported,
                "run file: balance.batch_aux_loss_weight: rows of samples end in padding");
  }
  RunConfig any_length = resolved;  // the run's own is known behind the packing
  if (any_length.train.tokens == 0 && any_length.train.steps == 0) {
    any_length.train.steps = std::max<i64>(1, config.schedule.warmup_steps);
  }
  fit_default_warm_up(any_length);
  train::RunSetup setup = value_or_throw(train::load_run_setup(any_length));
  const train::RunText text = train::load_run_text(setup);
  const ChatChoice chat = choose_chat_template(config, text.tokenizer);
  SampleReaderConfig reader = reader_config(config, text.tokenizer, chat);
  Decontamination apart(config.data);
  reader.apart = &apart;
  reader.check = check;
  SftParts parts{.config = resolved,
                 .mtp_depth = setup.model.num_nextn_predict_layers,
                 .statistics = fmt::format("samples, chat template {}:\n", chat.name()),
                 .end_ids = end_ids(chat, text.tokenizer)};
  for (const auto& [name, source] : config.data.train) {
    parts.train =
        read_set(reader, source, "data.train." + name, static_cast<i32>(parts.sources.size()),
                 std::move(parts.train), parts.statistics);
    parts.sources.push_back(name);
  }
  parts.statistics += apart.statistics();
  reader.apart = nullptr;
  reader.check = {};
  for (const auto& [name, source] : config.data.validation) {
    parts.validation.push_back(
        {name, read_set(reader, source, "data.validation." + name, 0, {}, parts.statistics)});
  }
  return parts;
}

LoadedStage load_on_samples(const RunConfig& config,
                            const std::function<std::unique_ptr<Sft>(SftParts)>& make) {
  SftParts parts = read_sft_parts(config);
  LoadedStage loaded{.config = parts.config, .stage = nullptr};
  auto stage = make(std::move(parts));
  TrainSection& length = loaded.config.train;
  if (length.tokens == 0 && length.steps == 0) {
    const double rows = config.sft.epochs * static_cast<double>(stage->samples().rows_per_epoch());
    length.tokens = std::max<i64>(1, std::llround(rows)) * config.data.seq_len;
  }
  fit_default_warm_up(loaded.config);
  stage->set_steps(train::RunPlan(loaded.config).steps());
  loaded.stage = std::move(stage);
  return loaded;
}

LoadedStage load_sft(const RunConfig& config) {
  return load_on_samples(config,
                         [](SftParts parts) { return std::make_unique<Sft>(std::move(parts)); });
}

}  // namespace fathom::posttrain
