// Prefill: an expert has enough rows for several threads, so a thread takes some of them from x to
// y, and what lies between stays in its caches.
#include <algorithm>
#include <array>

#include "backend/cpu/moe/expert_layer.h"
#include "backend/cpu/moe/ffn.h"
#include "backend/cpu/threads.h"
#include "device/run.h"

namespace fathom::backend::cpu {
namespace {

/// Some rows of an expert.
struct Unit {
  size_t expert;
  i64 first, rows;
};
/// Rows of a unit at most: the expert's weights are read once for them. Splitting changes no row.
constexpr i64 kUnitRows = 192;
/// Outputs of experts that wait to be added, at most.
constexpr i64 kOutputBytes = i64{32} << 20;
/// Units for each thread from which all threads end at about the same time.
constexpr i64 kUnitsPerThread = 4;

/// Experts from `expert` on until their rows would be more than `max_rows`; one at least.
size_t experts_within(const ExpertLayer& layer, size_t expert, i64 max_rows) {
  size_t end = expert + 1;
  const i64 first = layer.first_row(expert);
  while (end < layer.experts.size() && layer.first_row(end + 1) - first <= max_rows) ++end;
  return end;
}

/// The units of experts [begin, end), large ones first.
std::span<const Unit> units_of(Workspace::Scope& scope, const ExpertLayer& layer, size_t begin,
                               size_t end) {
  i64 max_units = 0, count = 0;
  for (size_t e = begin; e < end; ++e) {
    max_units += (layer.rows_of(e) + kUnitRows - 1) / kUnitRows;
  }
  Unit* units = scope.alloc<Unit>(max_units).data();
  for (size_t e = begin; e < end; ++e) {
    for (i64 row = layer.first_row(e); row < layer.first_row(e + 1); row += kUnitRows) {
      units[count++] = {e, row, std::min(kUnitRows, layer.first_row(e + 1) - row)};
    }
  }
  std::sort(units, units + count, [](const Unit& a, const Unit& b) {
    return a.rows != b.rows ? a.rows > b.rows : a.first < b.first;
  });
  return {units, static_cast<size_t>(count)};
}

void run_unit(Ctx& ctx, const ExpertLayer& layer, const Unit& unit, View<float, 2> y) {
  Workspace::Scope scope(ctx.workspace());
  const device::FfnWeights& w = layer.experts[unit.expert];
  const std::array<i32, 2> begin = {0, static_cast<i32>(unit.rows)};
  const PreparedInput x =
      prepare_groups(ctx, scope, layer.x, layer.token.slice(0, unit.first, unit.rows),
                     {begin.data(), {2}}, w.gate_proj, layer.mode)
          .front();
  run_ffn(ctx, x, w, y, layer.mode);
}

}  // namespace

bool suits_expert_parallel(const ExpertLayer& layer) {
  i64 used = 0;
  layer.for_used([&](size_t, i64, i64) { ++used; });
  return layer.mode.prefill && used >= kUnitsPerThread * available_threads();
}

/// As many experts as leave room for their outputs, then their share of the sums.
void run_expert_parallel(Ctx& ctx, const ExpertLayer& layer, View<float, 2> y) {
  Workspace::Scope scope(ctx.workspace());
  View<float, 2> shared;
  if (layer.shared != nullptr) {  // first: its scratch is larger than theirs
    shared = scope.alloc<float>(y.dim(0), y.dim(1));
    run(ctx, device::FfnForward{.x = layer.x, .w = *layer.shared, .y = shared, .mode = layer.mode});
  }
  const i64 max_rows = kOutputBytes / (y.dim(1) * static_cast<i64>(sizeof(float)));
  for (size_t begin = 0, end; begin < layer.experts.size(); begin = end) {
    end = experts_within(layer, begin, max_rows);
    const i64 first = layer.first_row(begin), last = layer.first_row(end);
    Workspace::Scope outputs(ctx.workspace());
    const auto routed = outputs.alloc<float>(last - first, y.dim(1));
    const auto units = units_of(outputs, layer, begin, end);
    for_units(ctx, std::ssize(units), [&](Ctx& thread, i64 i) {
      const Unit& unit = units[static_cast<size_t>(i)];
      run_unit(thread, layer, unit, routed.slice(0, unit.first - first, unit.rows));
    });
    combine_rows(ctx, layer, routed, first, last, y);
  }
  if (layer.shared != nullptr) run(ctx, device::AddInplace{.x = y, .y = shared});
}

}  // namespace fathom::backend::cpu
