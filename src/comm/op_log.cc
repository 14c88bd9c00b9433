#include "comm/op_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fathom::comm {
namespace {

double seconds_before(Clock::time_point now, Clock::time_point then) {
  return std::chrono::duration<double>(now - then).count();
}

std::string record_json(i64 number, const OpRecord& record, Clock::time_point now) {
  return fmt::format(
      R"({{"number": {}, "group": "{}", "op": "{}", "sequence": {}, "state": "{}", )"
      R"("send_bytes": {}, "expected_bytes": {}, "received_bytes": {}, "missing_ranks": [{}], )"
      R"("step": {}, "layer": {}, "call": "{}:{}", "started_s_ago": {:.6f}, "took_s": {:.6f}}})",
      number, record.group, record.op, record.sequence, record.ended ? "ended" : "under way",
      record.send_bytes, record.expected_bytes, record.received_bytes,
      fmt::join(record.missing, ", "), record.place.step, record.place.layer, record.file,
      record.line, seconds_before(now, record.started),
      seconds_before(record.ended ? record.finished : now, record.started));
}

}  // namespace

i64 OpLog::add(OpRecord record) {
  records_[static_cast<size_t>(next_ % kRecords)] = std::move(record);
  return next_++;
}

OpRecord* OpLog::find(i64 number) {
  if (number < next_ - kRecords || number >= next_) return nullptr;
  return &records_[static_cast<size_t>(number % kRecords)];
}

std::string OpLog::json(int rank, int size, Clock::time_point now) const {
  std::string text = fmt::format("{{\"rank\": {}, \"size\": {}, \"operations\": [", rank, size);
  const i64 first = next_ > kRecords ? next_ - kRecords : 0;
  for (i64 number = first; number < next_; ++number) {
    text += number == first ? "\n  " : ",\n  ";
    text += record_json(number, records_[static_cast<size_t>(number % kRecords)], now);
  }
  return text + "\n]}\n";
}

}  // namespace fathom::comm
