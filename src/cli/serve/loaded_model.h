#pragma once
// A model with all that answers requests with it.
#include <memory>
#include <string>
#include <vector>

#include "engine/engine_thread.h"
#include "engine/make_engine.h"
#include "serve/config/serve_config.h"
#include "serve/generate/served_model.h"

namespace fathom::cli {

/// The model's id in the API: its name, else the last part of its path.
std::string served_name(const serve::ModelSection& section);

/// Throws Error for what can be seen to be wrong without reading weights: the path, config.json,
/// the name of a chat template.
void check_model(const serve::ModelSection& section);

/// Throws Error for a folder of cached pages that this server cannot have for itself.
void check_cache(const serve::CacheSection& section);

class LoadedModel {
 public:
  /// Takes as long as reading the weights does. Throws Error.
  explicit LoadedModel(const serve::ServeConfig& config);
  ~LoadedModel();

  const serve::ServedModel& served() const;
  engine::Engine& engine();
  /// Of model.loads_file; empty without.
  std::vector<std::vector<i64>> expert_loads() const;
  /// Other names under which it may be asked for, also while requests are read.
  void set_aliases(std::vector<std::string> aliases);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::cli
