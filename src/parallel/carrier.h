#pragma once
// What travels between the stages of a pipeline. Sends never wait: what is sent is copied and lives
// until it is gone. So a schedule that ends on paper ends here.
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "comm/comm.h"
#include "plan/schedule/schedule.h"
#include "tensor/view.h"

namespace fathom::parallel {

enum class Cargo {
  kActivation,         // x to the next stage
  kGradient,           // dx to the one before
  kEmbedding,          // MTP's embeddings, from the first stage to the last
  kEmbeddingGradient,  // their gradients, back
};

class Carrier {
 public:
  /// `pipeline`: rank r of it is rank r of the schedule. Must outlive it.
  explicit Carrier(comm::Comm& pipeline) : pipeline_(pipeline) {}
  ~Carrier();

  /// To stage `to`, of stage `from`; both of a path. Messages of one kind and way arrive in the
  /// order in which they were sent.
  void send(const plan::Schedule& schedule, Cargo cargo, plan::StagePlace to,
            std::span<const float> data);
  void receive(const plan::Schedule& schedule, Cargo cargo, plan::StagePlace from,
               plan::StagePlace to, std::span<float> data);
  /// Until all that was sent is gone.
  void finish();
  double wait_s() const { return wait_s_; }

 private:
  struct Outgoing {
    std::vector<float> data;
    std::optional<comm::Pending> pending;
  };
  Outgoing& free_outgoing();
  static int tag_of(const plan::Schedule& schedule, Cargo cargo, plan::StagePlace to);

  comm::Comm& pipeline_;
  std::vector<std::unique_ptr<Outgoing>> outgoing_;
  std::map<int, std::deque<std::vector<float>>> own_;  // between two stages of this rank, by tag
  double wait_s_ = 0.0;
};

/// The rank that holds a stage.
int holder(const plan::Schedule& schedule, plan::StagePlace place);

}  // namespace fathom::parallel
