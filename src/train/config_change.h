#pragma once
// A run is resumed with a run file that may have changed: what changed, and may it?
#include <string>
#include <vector>

#include "base/error.h"
#include "config/run/run_config.h"

namespace fathom::train {

/// Compares the run file of a checkpoint that has taken `steps` with today's. By key:
///   harmless    what is kept, validated, logged or stored: accepted
///   rounding    how the same sums are cut (micro-batches, recomputation): accepted, but the run is
///               no longer bit for bit the uninterrupted one
///   plan        length, batch and schedules: accepted if every step already taken would have been
///               the same, so a run may be made longer where its schedule allows
///   content     where text and tokenizer lie: accepted here, and the loader's fingerprint decides
///   all others  refused: they would change the meaning of what was trained
/// Returns one line for each accepted change ("train.keep_last: 2, now 5"); the Error lists the
/// refused ones with the reason.
[[nodiscard]] Result<std::vector<std::string>> accept_changes(RunConfig& before, RunConfig& after,
                                                              i64 steps);

}  // namespace fathom::train
