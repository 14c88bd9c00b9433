#include "backend/cpu/threads.h"

#include <algorithm>

namespace fathom::backend::cpu {

void level_workspaces(std::span<const std::unique_ptr<Ctx>> contexts) {
  i64 largest = 0;
  for (const auto& ctx : contexts) {
    largest = std::max(largest, ctx->workspace().high_water_bytes());
  }
  for (const auto& ctx : contexts) ctx->workspace().reserve(largest);
}

}  // namespace fathom::backend::cpu
