#pragma once
// The model that is measured.
#include <atomic>
#include <memory>
#include <span>

#include "cli/options/model_options.h"
#include "device/ctx.h"
#include "engine/prompt.h"
#include "eval/model/engine_model.h"

namespace fathom::cli {

/// A model in this process, with an engine whose window fits what the tasks ask.
class LocalSubject {
 public:
  LocalSubject(const ModelOptions& options, std::span<const eval::Task> tasks,
               const std::atomic<bool>* interrupted);
  eval::LanguageModel& model() { return *engine_; }

 private:
  Ctx ctx_;
  std::unique_ptr<model::Model> weights_;
  engine::TextCodec codec_;
  std::unique_ptr<eval::EngineModel> engine_;
};

}  // namespace fathom::cli
