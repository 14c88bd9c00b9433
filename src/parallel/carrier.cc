#include "parallel/carrier.h"

#include "base/check.h"
#include "base/clock.h"

namespace fathom::parallel {

int holder(const plan::Schedule& schedule, plan::StagePlace place) {
  for (size_t rank = 0; rank < schedule.chunks.size(); ++rank) {
    for (const plan::StagePlace& at : schedule.chunks[rank]) {
      if (at.path == place.path && at.stage == place.stage) return static_cast<int>(rank);
    }
  }
  FATHOM_CHECK(false, "nobody holds stage ", place.stage, " of path ", place.path);
  return -1;
}

int Carrier::tag_of(const plan::Schedule& schedule, Cargo cargo, plan::StagePlace to) {
  const i64 kind = static_cast<i64>(cargo) * schedule.paths + to.path;
  return static_cast<int>(kind * schedule.stages + to.stage);
}

Carrier::~Carrier() = default;

Carrier::Outgoing& Carrier::free_outgoing() {
  for (const auto& outgoing : outgoing_) {
    if (!outgoing->pending->ready()) continue;
    outgoing->pending->wait();
    return *outgoing;
  }
  return *outgoing_.emplace_back(std::make_unique<Outgoing>());
}

void Carrier::send(const plan::Schedule& schedule, Cargo cargo, plan::StagePlace to,
                   std::span<const float> data) {
  const int rank = holder(schedule, to), tag = tag_of(schedule, cargo, to);
  if (rank == pipeline_.rank()) {
    own_[tag].emplace_back(data.begin(), data.end());
    return;
  }
  Outgoing& outgoing = free_outgoing();
  outgoing.data.assign(data.begin(), data.end());
  outgoing.pending = pipeline_.start_send(rank, tag, std::as_bytes(std::span(outgoing.data)));
}

void Carrier::receive(const plan::Schedule& schedule, Cargo cargo, plan::StagePlace from,
                      plan::StagePlace to, std::span<float> data) {
  const int rank = holder(schedule, from), tag = tag_of(schedule, cargo, to);
  if (rank == pipeline_.rank()) {
    auto& waiting = own_[tag];
    FATHOM_CHECK(!waiting.empty() && waiting.front().size() == data.size(), "stage ", from.stage,
                 " has sent nothing of ", data.size(), " numbers to stage ", to.stage);
    std::ranges::copy(waiting.front(), data.begin());
    waiting.pop_front();
    return;
  }
  const Clock::time_point begin = Clock::now();
  pipeline_.recv(rank, tag, std::as_writable_bytes(data));
  wait_s_ += seconds_since(begin);
}

void Carrier::finish() {
  for (const auto& outgoing : outgoing_) outgoing->pending->wait();
}

}  // namespace fathom::parallel
