#pragma once
// What a checkpoint knows beside arrays of numbers.
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom::train {

struct BestStep {
  i64 step = 0;
  double bits_per_byte = 0.0;  // mean over the validation sets
};

struct TrainerState {
  i64 step = 0;         // steps taken, skipped ones included
  i64 updates = 0;      // steps that moved the weights: AdamW's count
  i64 next_sample = 0;  // where the data stand
  i64 tokens = 0;       // trained on, those of skipped steps included
  i64 skipped_steps = 0;
  i64 skipped_in_row = 0;
  i64 validated_step = 0;         // the last step that was validated
  i64 micro_batch_sequences = 0;  // as used: it decides the order of sums
  double seconds = 0.0;           // of training, earlier processes included
  std::optional<BestStep> best;
};

/// A file of a checkpoint as it was written.
struct FileRecord {
  i64 bytes = 0;
  std::string xxh3;  // 128 bits in hexadecimal

  bool operator==(const FileRecord&) const = default;
};

/// trainer.json: written last, so that it vouches for every other file.
struct CheckpointManifest {
  TrainerState state;
  std::string run_config;        // the resolved run file
  std::string data_fingerprint;  // DataLoader::fingerprint
  std::map<std::string, FileRecord> files;
};

std::string to_json(const CheckpointManifest& manifest);
/// `where` names the file in messages.
[[nodiscard]] Result<CheckpointManifest> parse_manifest(const io::JsonValue& json,
                                                        const std::string& where);

}  // namespace fathom::train
