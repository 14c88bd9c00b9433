#pragma once
// TensorBoard's event files (events.out.tfevents.*): TFRecord frames of protobuf Event messages,
// of which scalars need six fields, encoded here by hand.
//
//   frame:  u64 length, u32 masked_crc32c(length), the message, u32 masked_crc32c(message)
//   Event:  1 wall_time double, 2 step int64, 3 file_version string, 5 summary Summary
//   Summary: 1 value Value, repeated;  Value: 1 tag string, 2 simple_value float
// Source: tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto and
// tensorflow/core/lib/io/record_writer.h. Integers are little-endian.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "report/metrics/metrics.h"

namespace fathom::report {

struct EventScalar {
  std::string tag;
  float value = 0.0F;
};

struct Event {
  double wall_time = 0.0;  // Unix time in seconds
  i64 step = 0;
  std::string file_version;  // of a file's first event: "brain.Event:2"
  std::vector<EventScalar> scalars;
};

/// One frame.
std::string encode_event(const Event& event);

/// Reads the frame at the start of `bytes` and sets `size_bytes` to its length. Errors
/// (kInvalidInput): too short, a wrong checksum, a message that is no Event.
[[nodiscard]] Result<Event> decode_event(std::string_view bytes, i64& size_bytes);

/// The scalars under their tags: train/loss, validation/NAME/loss, tasks/NAME/acc, mtp/loss_1, lr,
/// grad_norm, speed/tokens_per_s, balance/max_vio/model.layers.3 and so on; docs/file-formats.md
/// lists them.
std::vector<EventScalar> event_scalars(const StepMetrics& metrics);
std::vector<EventScalar> event_scalars(const ValidationMetrics& metrics);
std::vector<EventScalar> event_scalars(const TaskMetrics& metrics);

/// A name for the event file of a run that began at Unix time `started`.
std::filesystem::path new_event_file(const std::filesystem::path& directory, double started);
/// The newest event file that is there, else new_event_file.
std::filesystem::path find_event_file(const std::filesystem::path& directory, double started);

/// The length up to which a resumed run keeps the file: whole frames of steps up to `last_step`.
[[nodiscard]] Result<i64> event_bytes_kept(const std::filesystem::path& path, i64 last_step);

}  // namespace fathom::report
