#pragma once
#include <atomic>
#include <thread>

#include "engine/engine.h"

namespace fathom::engine {

/// The one thread that steps an engine which others submit to, from its construction to its end. A
/// step that throws, by a fault of ours, ends what runs with that error, and the thread goes on.
class EngineThread {
 public:
  /// `engine` must outlive it.
  explicit EngineThread(Engine& engine);
  /// Waits for the step under way. What still runs stays as it is: Engine's destructor ends it.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

 private:
  void run();

  Engine& engine_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace fathom::engine
