#include "report/metrics/tensorboard.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "io/mapped_file.h"
#include "report/metrics/crc32c.h"

namespace fathom::report {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

constexpr size_t kHeaderBytes = 12, kFooterBytes = 4;
constexpr u64 kMaxMessageBytes = u64{1} << 30;
constexpr std::string_view kFilePrefix = "events.out.tfevents.";

// Protobuf wire types.
constexpr u32 kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

template <typename T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void put_varint(std::string& out, u64 value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, u32 field, u32 wire_type) {
  put_varint(out, (field << 3) | wire_type);
}

void put_bytes(std::string& out, u32 field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

/// Takes a message apart; any step past its end makes the reader fail for good.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  bool done() const { return failed_ || bytes_.empty(); }
  bool failed() const { return failed_; }

  template <typename T>
  T fixed() {
    T value = {};
    if (bytes_.size() < sizeof(T)) return fail(value);
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_.remove_prefix(sizeof(T));
    return value;
  }
  u64 varint() {
    u64 value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = fixed<u8>();
      value |= static_cast<u64>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return fail(value);
  }
  std::string_view bytes() {
    const u64 length = varint();
    if (length > bytes_.size()) return fail(std::string_view());
    const std::string_view taken = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return taken;
  }
  void skip(u32 wire_type) {
    if (wire_type == kVarint)
      varint();
    else if (wire_type == kFixed64)
      fixed<u64>();
    else if (wire_type == kBytes)
      bytes();
    else if (wire_type == kFixed32)
      fixed<u32>();
    else
      failed_ = true;
  }

 private:
  template <typename T>
  T fail(T value) {
    failed_ = true;
    return value;
  }

  std::string_view bytes_;
  bool failed_ = false;
};

/// Calls take(field, wire_type, reader) for every field; it reads the value or skips it.
template <typename Take>
bool read_message(std::string_view bytes, Take take) {
  WireReader reader(bytes);
  while (!reader.done()) {
    const u64 key = reader.varint();
    take(static_cast<u32>(key >> 3), static_cast<u32>(key & 7), reader);
  }
  return !reader.failed();
}

bool read_scalar(std::string_view bytes, EventScalar& scalar) {
  return read_message(bytes, [&](u32 field, u32 wire_type, WireReader& reader) {
    if (field == 1 && wire_type == kBytes)
      scalar.tag = reader.bytes();
    else if (field == 2 && wire_type == kFixed32)
      scalar.value = reader.fixed<float>();
    else
      reader.skip(wire_type);
  });
}

bool read_event(std::string_view bytes, Event& event) {
  bool values_good = true;
  const auto read_summary = [&](std::string_view summary) {
    return read_message(summary, [&](u32 field, u32 wire_type, WireReader& reader) {
      if (field != 1 || wire_type != kBytes) return reader.skip(wire_type);
      values_good &= read_scalar(reader.bytes(), event.scalars.emplace_back());
    });
  };
  const bool good = read_message(bytes, [&](u32 field, u32 wire_type, WireReader& reader) {
    if (field == 1 && wire_type == kFixed64)
      event.wall_time = reader.fixed<double>();
    else if (field == 2 && wire_type == kVarint)
      event.step = static_cast<i64>(reader.varint());
    else if (field == 3 && wire_type == kBytes)
      event.file_version = reader.bytes();
    else if (field == 5 && wire_type == kBytes)
      values_good &= read_summary(reader.bytes());
    else
      reader.skip(wire_type);
  });
  return good && values_good;
}

void add(std::vector<EventScalar>& to, std::string tag, double value) {
  to.push_back({std::move(tag), static_cast<float>(value)});
}

void add_numbered(std::vector<EventScalar>& to, std::string_view tag,
                  const std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) add(to, fmt::format("{}_{}", tag, i + 1), values[i]);
}

}  // namespace

std::string encode_event(const Event& event) {
  std::string summary;
  for (const EventScalar& scalar : event.scalars) {
    std::string value;
    put_bytes(value, 1, scalar.tag);
    put_key(value, 2, kFixed32);
    put(value, scalar.value);
    put_bytes(summary, 1, value);
  }
  std::string message;
  put_key(message, 1, kFixed64);
  put(message, event.wall_time);
  if (event.step != 0) {  // proto3 leaves defaults out
    put_key(message, 2, kVarint);
    put_varint(message, static_cast<u64>(event.step));
  }
  if (!event.file_version.empty()) put_bytes(message, 3, event.file_version);
  if (!summary.empty()) put_bytes(message, 5, summary);

  std::string frame;
  put(frame, static_cast<u64>(message.size()));
  put(frame, masked_crc32c(frame));
  frame += message;
  put(frame, masked_crc32c(message));
  return frame;
}

Result<Event> decode_event(std::string_view bytes, i64& size_bytes) {
  const auto read_u32 = [&](size_t offset) {
    return WireReader(bytes.substr(offset)).fixed<u32>();
  };
  if (bytes.size() < kHeaderBytes + kFooterBytes) return invalid_input("event: cut off");
  const u64 length = WireReader(bytes).fixed<u64>();
  if (read_u32(8) != masked_crc32c(bytes.substr(0, 8))) {
    return invalid_input("event: wrong checksum of the length");
  }
  if (length > kMaxMessageBytes || length > bytes.size() - kHeaderBytes - kFooterBytes) {
    return invalid_input(fmt::format("event: {} bytes announced, cut off", length));
  }
  const std::string_view message = bytes.substr(kHeaderBytes, length);
  if (read_u32(kHeaderBytes + length) != masked_crc32c(message)) {
    return invalid_input("event: wrong checksum");
  }
  Event event;
  if (!read_event(message, event)) return invalid_input("event: not an Event message");
  size_bytes = static_cast<i64>(kHeaderBytes + length + kFooterBytes);
  return event;
}

std::vector<EventScalar> event_scalars(const StepMetrics& metrics) {
  std::vector<EventScalar> to;
  add(to, "train/loss", metrics.loss);
  add(to, "train/bits_per_byte", metrics.bits_per_byte);
  add(to, "train/tokens", static_cast<double>(metrics.tokens));
  add(to, "train/skipped", metrics.skipped.empty() ? 0.0 : 1.0);
  add_numbered(to, "mtp/loss", metrics.mtp_loss);
  add(to, "lr", metrics.lr);
  add(to, "grad_norm", metrics.grad_norm);
  add(to, "speed/tokens_per_s", metrics.tokens_per_s);
  add(to, "speed/gemm_peak_frac", metrics.gemm_peak_frac);
  add(to, "balance/loss", metrics.balance_loss);
  add(to, "balance/bias_update_speed", metrics.bias_update_speed);
  add(to, "balance/dropped", static_cast<double>(metrics.dropped));
  for (const LayerLoad& load : metrics.load) {
    add(to, "balance/max_vio/" + load.layer, load.max_vio);
    add(to, "balance/entropy/" + load.layer, load.entropy);
    add(to, "balance/dead_experts/" + load.layer, static_cast<double>(load.dead_experts));
    add(to, "balance/bias_min/" + load.layer, load.bias_min);
    add(to, "balance/bias_max/" + load.layer, load.bias_max);
  }
  for (const auto& [name, number] : metrics.stage) add(to, "stage/" + name, number);
  return to;
}

std::vector<EventScalar> event_scalars(const ValidationMetrics& metrics) {
  std::vector<EventScalar> to;
  const std::string prefix = "validation/" + metrics.set + "/";
  add(to, prefix + "loss", metrics.loss);
  add(to, prefix + "bits_per_byte", metrics.bits_per_byte);
  add_numbered(to, prefix + "mtp_loss", metrics.mtp_loss);
  add_numbered(to, prefix + "mtp_acceptance", metrics.mtp_acceptance);
  for (const LayerLoad& load : metrics.load) {
    add(to, prefix + "max_vio/" + load.layer, load.max_vio);
  }
  return to;
}

std::vector<EventScalar> event_scalars(const TaskMetrics& metrics) {
  std::vector<EventScalar> to;
  for (const auto& [name, number] : metrics.values) {
    add(to, fmt::format("tasks/{}/{}", metrics.task, name), number);
  }
  return to;
}

std::filesystem::path new_event_file(const std::filesystem::path& directory, double started) {
  return directory / fmt::format("{}{:010}.fathom", kFilePrefix, static_cast<i64>(started));
}

std::filesystem::path find_event_file(const std::filesystem::path& directory, double started) {
  std::string newest;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kFilePrefix)) newest = std::max(newest, name);
  }
  return newest.empty() ? new_event_file(directory, started) : directory / newest;
}

Result<i64> event_bytes_kept(const std::filesystem::path& path, i64 last_step) {
  const auto file = io::MappedFile::open(path);
  if (!file) return tl::unexpected(file.error());
  std::string_view rest(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  i64 kept = 0, size_bytes = 0;
  while (!rest.empty()) {
    const auto event = decode_event(rest, size_bytes);
    if (!event || event->step > last_step) break;
    kept += size_bytes;
    rest.remove_prefix(static_cast<size_t>(size_bytes));
  }
  return kept;
}

}  // namespace fathom::report
