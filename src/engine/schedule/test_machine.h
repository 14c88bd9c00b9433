#pragma once
// A machine that is a formula, for the simulator.
#include <functional>
#include <utility>
#include <vector>

#include "engine/schedule/cost_curve.h"

namespace fathom::engine {

/// What passes really cost: about the 3 B model on sixteen cores.
struct Machine {
  double decode_s = 0.02, decode_row_s = 0.002, decode_pair_s = 2e-8;
  double layer_s = 0.0005, layer_token_s = 3e-5, layer_pair_s = 2e-9;
  std::function<double(double now_s)> slowdown = [](double) { return 1.0; };

  double decode(i64 rows, i64 pairs, double now_s = 0) const {
    return slowdown(now_s) * (decode_s + decode_row_s * static_cast<double>(rows) +
                              decode_pair_s * static_cast<double>(pairs));
  }
  double layer(i64 tokens, i64 pairs, double now_s = 0) const {
    return slowdown(now_s) * (layer_s + layer_token_s * static_cast<double>(tokens) +
                              layer_pair_s * static_cast<double>(pairs));
  }
  /// What a measurement at the start would say, `wrong` times too much or too little.
  CostModel measured(double wrong = 1) const {
    const auto curve = [wrong](auto cost, const std::vector<i64>& rows, double pair_s) {
      std::vector<CostPoint> points;
      points.reserve(rows.size());
      for (const i64 each : rows) points.push_back({each, wrong * cost(each)});
      return CostCurve(std::move(points), wrong * pair_s);
    };
    return {.decode = curve([&](i64 rows) { return decode(rows, 0); }, {1, 8, 64}, decode_pair_s),
            .layer = curve([&](i64 tokens) { return layer(tokens, 0); }, {32, 512}, layer_pair_s),
            .part = curve([&](i64 tokens) { return layer(tokens, 0); }, {32, 512}, 0),
            .draft = curve([&](i64 rows) { return decode(rows, 0) / 20; }, {1, 64}, 0)};
  }
};

}  // namespace fathom::engine
