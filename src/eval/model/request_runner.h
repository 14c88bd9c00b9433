#pragma once
// Many requests on an engine that nobody else uses.
#include <atomic>
#include <functional>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace fathom::eval {

/// An event of request `index` with its text.
using OnEvent = std::function<void(size_t index, const engine::Event&, std::string_view text)>;

/// Runs them all, many at a time. Throws Error{kInvalidInput} for what the engine refuses and for a
/// request that fails; Interrupted by `*interrupted`.
void run_requests(engine::Engine& engine, std::vector<engine::GenerateRequest> requests,
                  const OnEvent& on_event, const std::atomic<bool>* interrupted);

/// Thrown where `*interrupted` is set: what was done is kept.
class EvaluationInterrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

}  // namespace fathom::eval
