#pragma once
// The model that is measured.
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/options/model_options.h"
#include "device/ctx.h"
#include "engine/prompt.h"
#include "eval/endpoint/endpoint_model.h"
#include "eval/model/engine_model.h"

namespace fathom::cli {

/// Tokens of the longest prompt with its answer, at most: no text has more tokens than bytes.
i64 longest_request_tokens(std::span<const eval::Task> tasks);
/// The same of what a judge is asked about answers to them.
i64 longest_judged_tokens(std::span<const eval::Task> tasks);

/// How an engine model runs whose window fits `longest_tokens` of a prompt with its answer.
eval::EngineModelOptions engine_model_options(const ModelOptions& options,
                                              const ModelConfig& config,
                                              const engine::TextCodec& codec, i64 longest_tokens);

class Subject {
 public:
  virtual ~Subject() = default;
  virtual eval::LanguageModel& model() = 0;
  /// See EngineModel::expert_loads(); empty of a model elsewhere.
  virtual std::vector<std::vector<i64>> expert_loads() const { return {}; }
};

/// A model in this process, with an engine whose window fits what the tasks ask.
class LocalSubject : public Subject {
 public:
  /// `longest_tokens`: of a prompt with its answer. `chat`: generation by the chat template of this
  /// name, "" the checkpoint's own. `counts_experts`: expert_loads() are wanted; throws
  /// Error{kInvalidInput} for a model without experts.
  LocalSubject(const ModelOptions& options, i64 longest_tokens,
               const std::optional<std::string>& chat, const std::atomic<bool>* interrupted,
               bool counts_experts = false);
  eval::LanguageModel& model() override { return *engine_; }
  std::vector<std::vector<i64>> expert_loads() const override { return engine_->expert_loads(); }

 private:
  Ctx ctx_;
  std::unique_ptr<model::Model> weights_;
  engine::TextCodec codec_;
  std::unique_ptr<eval::EngineModel> engine_;
};

/// A model behind a server. `tokenizer`: a model's directory or file; "": nothing is scored.
class RemoteSubject : public Subject {
 public:
  RemoteSubject(eval::EndpointOptions options, const std::string& tokenizer);
  eval::LanguageModel& model() override { return *endpoint_; }

 private:
  std::optional<engine::TextCodec> codec_;
  std::unique_ptr<eval::EndpointModel> endpoint_;
};

}  // namespace fathom::cli
