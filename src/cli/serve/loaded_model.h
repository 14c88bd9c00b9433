#pragma once
// A model with all that answers requests with it.
#include <memory>
#include <string>

#include "engine/engine_thread.h"
#include "engine/make_engine.h"
#include "serve/config/serve_config.h"
#include "serve/generate/served_model.h"

namespace fathom::cli {

/// The model's id in the API: its name, else the last part of its path.
std::string served_name(const serve::ModelSection& section);

class LoadedModel {
 public:
  /// Takes as long as reading the weights does. Throws Error.
  explicit LoadedModel(const serve::ServeConfig& config);
  ~LoadedModel();

  const serve::ServedModel& served() const;
  engine::Engine& engine();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::cli
