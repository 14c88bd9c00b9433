#include "comm/operation.h"

#include <algorithm>

namespace fathom::comm {

i64 Operation::bytes(Transfer::Kind kind, bool done_only) const {
  i64 sum = 0;
  for (const Transfer& transfer : exchange.transfers) {
    if (transfer.kind == kind && (!done_only || transfer.is_done())) sum += transfer.bytes;
  }
  return sum;
}

std::vector<int> Operation::missing() const {
  std::vector<int> peers;
  for (const Transfer& transfer : exchange.transfers) {
    if (!transfer.is_done()) peers.push_back(transfer.peer);
  }
  std::sort(peers.begin(), peers.end());
  peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
  return peers;
}

void Operation::finish_reduce() {
  if (gathered.empty()) return;
  const size_t n = values.size();
  for (size_t i = 0; i < n; ++i) {
    i64 result = gathered[i];
    for (size_t at = n + i; at < gathered.size(); at += n) {
      result = reduce == Reduce::kSum ? result + gathered[at] : std::max(result, gathered[at]);
    }
    values[i] = result;
  }
}

}  // namespace fathom::comm
