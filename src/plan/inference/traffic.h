#pragma once
// How many nodes a service's traffic needs, what it costs and earns, how long a request waits.
#include "plan/units/quantity.h"

namespace fathom::plan {

struct Traffic {
  Tokens input;
  Tokens output;
  double hit_frac = 0.0;  // of the input, answered from a cache
  Seconds period;
};

struct Prices {  // US dollars for a million tokens
  double hit = 0.0;
  double miss = 0.0;
  double output = 0.0;
};

struct NodeSplit {
  double prefill_nodes = 0.0;
  double decode_nodes = 0.0;
  double nodes() const { return prefill_nodes + decode_nodes; }
};
/// tokens / (rate of a node * period), of both kinds.
NodeSplit split_nodes(const Traffic& traffic, TokensPerSecond prefill_node,
                      TokensPerSecond decode_node);

double income(const Traffic& traffic, const Prices& prices);
/// Of nodes with `gpus` each over a period.
double cost(double nodes, double gpus, double price_per_gpu_hour, Seconds period);
/// US dollars for a million tokens at a GPU's rate.
double cost_per_million(double price_per_gpu_hour, TokensPerSecond rate);

/// Mean wait in a queue of `servers` with equal service times and random arrivals (M/D/c), by
/// Sakasegawa's approximation: service / 2 * u^(sqrt(2 (c + 1)) - 1) / (c (1 - u)), u the
/// utilisation. Infinite from u = 1 on.
Seconds queue_wait(double servers, double utilisation, Seconds service);

/// Queue, the prompt's pass, its cache rows over the network, one decode step.
struct FirstToken {
  Seconds queue;
  Seconds prefill;
  Seconds transfer;
  Seconds decode;
  Seconds total() const { return queue + prefill + transfer + decode; }
};
FirstToken first_token(double prompt, TokensPerSecond prefill_rate, double servers,
                       double utilisation, BytesPerToken cache, BytesPerSecond network,
                       Seconds decode_step);

}  // namespace fathom::plan
