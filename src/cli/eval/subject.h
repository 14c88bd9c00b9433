#pragma once
// The model that is measured.
#include <atomic>
#include <memory>
#include <optional>
#include <span>

#include "cli/options/model_options.h"
#include "device/ctx.h"
#include "engine/prompt.h"
#include "eval/endpoint/endpoint_model.h"
#include "eval/model/engine_model.h"

namespace fathom::cli {

/// A model in this process, with an engine whose window fits what the tasks ask.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual eval::LanguageModel& model() = 0;
};

class LocalSubject : public Subject {
 public:
  LocalSubject(const ModelOptions& options, std::span<const eval::Task> tasks,
               const std::atomic<bool>* interrupted);
  eval::LanguageModel& model() override { return *engine_; }

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
