#include "plan/inference/traffic.h"

#include <cmath>
#include <limits>

namespace fathom::plan {
namespace {

constexpr double kMillion = 1e6;
constexpr double kHour = 3600.0;

}  // namespace

NodeSplit split_nodes(const Traffic& traffic, TokensPerSecond prefill_node,
                      TokensPerSecond decode_node) {
  return {.prefill_nodes = traffic.input / prefill_node / traffic.period,
          .decode_nodes = traffic.output / decode_node / traffic.period};
}

double income(const Traffic& traffic, const Prices& prices) {
  const double hits = traffic.input.value * traffic.hit_frac;
  return (hits * prices.hit + (traffic.input.value - hits) * prices.miss +
          traffic.output.value * prices.output) /
         kMillion;
}

double cost(double nodes, double gpus, double price_per_gpu_hour, Seconds period) {
  return nodes * gpus * price_per_gpu_hour * period.value / kHour;
}

double cost_per_million(double price_per_gpu_hour, TokensPerSecond rate) {
  return price_per_gpu_hour / (kHour * rate.value) * kMillion;
}

Seconds queue_wait(double servers, double utilisation, Seconds service) {
  if (utilisation <= 0.0) return {};
  if (utilisation >= 1.0) return Seconds(std::numeric_limits<double>::infinity());
  const double busy = std::pow(utilisation, std::sqrt(2.0 * (servers + 1.0)) - 1.0);
  return service * (0.5 * busy / (servers * (1.0 - utilisation)));
}

FirstToken first_token(double prompt, TokensPerSecond prefill_rate, double servers,
                       double utilisation, BytesPerToken cache, BytesPerSecond network,
                       Seconds decode_step) {
  const Seconds prefill = Tokens(prompt) / prefill_rate;
  return {.queue = queue_wait(servers, utilisation, prefill),
          .prefill = prefill,
          .transfer = cache * Tokens(prompt) / network,
          .decode = decode_step};
}

}  // namespace fathom::plan
