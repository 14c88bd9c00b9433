#pragma once
// Which checkpoint a run goes on from, and whether it may.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "device/ctx.h"
#include "train/checkpoint/run_directory.h"
#include "train/checkpoint/trainer_state.h"
#include "train/run/setup.h"
#include "train/trainer.h"

namespace fathom::train {

struct ResumePoint {
  std::filesystem::path checkpoint;
  CheckpointManifest manifest;
  std::vector<std::string> changes;  // of the run file, accepted
};

/// The newest checkpoint, or `chosen`; nothing if the run has none. It is verified byte by byte and
/// its settings are held against `setup`. Throws Error: a damaged checkpoint (naming the newest
/// whole one before it), a `chosen` that is none of this run, changed settings that are refused.
std::optional<ResumePoint> find_resume_point(const RunDirectory& directory,
                                             const std::filesystem::path& chosen,
                                             const RunSetup& setup);
/// For the other ranks: the checkpoint that rank 0 has found.
ResumePoint resume_point_of(const std::filesystem::path& checkpoint);

/// Weights, optimizer and counters as they were at `point`; the size of a micro-batch stays this
/// process's. Throws Error{kInvalidInput} if the training text is not the one the run began with.
void restore_trainer(Ctx& ctx, const RunSetup& setup, const ResumePoint& point, Trainer& trainer);

}  // namespace fathom::train
