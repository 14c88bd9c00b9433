#include "comm/job.h"

#include <fmt/format.h>

#include <fstream>

#include "base/check.h"

namespace fathom::comm {

Job::Job(int rank, int size, JobOptions options)
    : rank_(rank), size_(size), options_(std::move(options)), deadline_s_(options_.deadline_s) {
  FATHOM_CHECK(options_.deadline_s > 0, "deadline of ", options_.deadline_s, " s");
}

double Job::deadline_s() const {
  const Lock lock(mutex_);
  return deadline_s_;
}

void Job::set_deadline(double seconds) {
  FATHOM_CHECK(seconds > 0, "deadline of ", seconds, " s");
  const Lock lock(mutex_);
  deadline_s_ = seconds;
}

void Job::set_place(Place place) {
  const Lock lock(mutex_);
  place_ = place;
}

Traffic Job::traffic() const {
  const Lock lock(mutex_);
  return traffic_;
}

i64 Job::begin(OpRecord record) {
  const Lock lock(mutex_);
  record.place = place_;
  record.started = Clock::now();
  ++traffic_.operations;
  traffic_.sent_bytes += record.send_bytes;
  traffic_.network_bytes += record.network_bytes;
  return log_.add(std::move(record));
}

void Job::end(i64 number, i64 received_bytes, double wait_s) {
  const Lock lock(mutex_);
  traffic_.received_bytes += received_bytes;
  traffic_.wait_s += wait_s;
  OpRecord* record = log_.find(number);
  if (record == nullptr) return;
  record->ended = true;
  record->received_bytes = received_bytes;
  record->finished = Clock::now();
  traffic_.exchange_s += std::chrono::duration<double>(record->finished - record->started).count();
}

std::string Job::write_hang_report(i64 number, i64 received_bytes, std::vector<int> missing) {
  const Lock lock(mutex_);
  if (OpRecord* record = log_.find(number)) {
    record->received_bytes = received_bytes;
    record->missing = std::move(missing);
  }
  if (options_.hang_directory.empty()) return "";
  const std::string path = fmt::format("{}/hang-{}.json", options_.hang_directory, rank_);
  std::ofstream file(path);
  file << log_.json(rank_, size_, Clock::now());
  file.close();
  return file ? path : "";
}

}  // namespace fathom::comm
