#include "eval/result/comparison.h"

#include <utility>

namespace fathom::eval {
namespace {

using Samples = std::vector<StoredSample>;
using Key = std::pair<std::string, std::string>;  // filter, document

std::map<Key, const StoredSample*> by_document(const Samples& samples) {
  std::map<Key, const StoredSample*> out;
  for (const StoredSample& each : samples) out[{each.filter, each.document_hash}] = &each;
  return out;
}

/// Values of one metric on the items that both have.
struct Pairs {
  std::vector<double> a, b;
  i64 only_one = 0, other_prompts = 0;
};

std::map<Key, Pairs> pair_up(const Samples& a, const Samples& b) {
  std::map<Key, Pairs> pairs;  // filter, metric
  const auto left = by_document(a), right = by_document(b);
  const auto add_lone = [&](const StoredSample& sample) {
    for (const auto& metric : sample.metrics) ++pairs[{sample.filter, metric.first}].only_one;
  };
  for (const auto& [key, sample] : left) {
    const auto other = right.find(key);
    if (other == right.end()) {
      add_lone(*sample);
      continue;
    }
    for (const auto& [name, value] : sample->metrics) {
      const auto found = other->second->metrics.find(name);
      if (found == other->second->metrics.end()) continue;
      Pairs& out = pairs[{sample->filter, name}];
      out.a.push_back(value);
      out.b.push_back(found->second);
      out.other_prompts += sample->prompt_hash != other->second->prompt_hash ? 1 : 0;
    }
  }
  for (const auto& [key, sample] : right) {
    if (!left.contains(key)) add_lone(*sample);
  }
  return pairs;
}

/// An item's number behind a perplexity is its log-probability, whose mean is what can be compared.
std::string compared_name(const std::string& metric) {
  return metric == "perplexity" ? "mean log p" : metric;
}

}  // namespace

std::vector<ComparedMetric> compare_runs(const StoredRun& a, const StoredRun& b, i64 iterations,
                                         u64 seed) {
  std::vector<ComparedMetric> all;
  for (const auto& [task, samples] : a.samples) {
    const auto other = b.samples.find(task);
    if (other == b.samples.end()) continue;
    for (const auto& [key, pairs] : pair_up(samples, other->second)) {
      if (pairs.a.empty()) continue;
      ComparedMetric one{.task = task, .filter = key.first, .metric = compared_name(key.second)};
      one.items = std::ssize(pairs.a);
      one.only_one = pairs.only_one;
      one.other_prompts = pairs.other_prompts;
      one.a = mean(pairs.a);
      one.b = mean(pairs.b);
      one.difference = paired_bootstrap(pairs.a, pairs.b, iterations, seed);
      all.push_back(std::move(one));
    }
  }
  return all;
}

}  // namespace fathom::eval
