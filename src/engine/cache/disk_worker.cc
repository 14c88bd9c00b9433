#include "engine/cache/disk_worker.h"

#include <unistd.h>

#include <exception>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace fathom::engine {

namespace fs = std::filesystem;

DiskWorker::DiskWorker(fs::path directory, const RowFormat& format, const ChainSecret& secret,
                       i64 queue_bytes)
    : directory_(std::move(directory)),
      format_(format),
      queue_bytes_(queue_bytes),
      hasher_(secret),
      thread_([this] { run(); }) {}

DiskWorker::~DiskWorker() {
  {
    const Lock lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool DiskWorker::has_room(i64 tokens) {
  const Lock lock(mutex_);
  return queued_bytes_ == 0 || queued_bytes_ + format_.rows_bytes(tokens) <= queue_bytes_;
}

u64 DiskWorker::write(const StoredPage& page, const u8* data) {
  Job job = {page_file_name(page.key), page, {}, ++num_writes_};
  {
    const Lock lock(mutex_);
    queued_bytes_ += format_.rows_bytes(page.tokens);
    if (!free_rows_.empty()) {
      job.rows = std::move(free_rows_.back());
      free_rows_.pop_back();
    }
  }
  job.rows.clear();
  job.rows.reserve(static_cast<size_t>(format_.rows_bytes(page.tokens)));
  for (i64 layer = 0; layer < format_.shape.layers; ++layer) {
    const u8* rows = data + layer * format_.shape.layer_bytes();
    job.rows.insert(job.rows.end(), rows, rows + page.tokens * format_.shape.row_bytes);
  }
  {
    const Lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_all();
  return num_writes_;
}

void DiskWorker::remove(std::string name) {
  {
    const Lock lock(mutex_);
    jobs_.push_back({std::move(name), {}, {}, 0});
  }
  changed_.notify_all();
}

std::vector<DiskWorker::Report> DiskWorker::take_reports(i64 max_reports) {
  const Lock lock(mutex_);
  std::vector<Report> taken;
  for (; !reports_.empty() && max_reports > 0; --max_reports) {
    taken.push_back(std::move(reports_.front()));
    reports_.pop_front();
  }
  return taken;
}

bool DiskWorker::is_scanned() {
  const Lock lock(mutex_);
  return is_scanned_ && reports_.empty();
}

void DiskWorker::wait_idle() {
  const Lock lock(mutex_);
  while (!jobs_.empty() || is_busy_ || !is_scanned_) changed_.wait(mutex_);
}

void DiskWorker::run() {
  list_files();
  for (Job job; next(&job); job = {}) {
    if (job.name.empty()) {
      look_at_one();
    } else if (job.rows.empty()) {
      ::unlink((directory_ / job.name).c_str());
      finish(job, nullptr);
    } else {
      const Report report = write_file(job);
      finish(job, &report);
    }
  }
}

bool DiskWorker::next(Job* job) {
  const Lock lock(mutex_);
  while (jobs_.empty() && !is_closing_ && is_scanned_) changed_.wait(mutex_);
  if (jobs_.empty() && is_closing_) return false;
  is_busy_ = true;
  // In turns, so that a busy server learns of its files too. A look is short beside a write.
  const bool looks = !is_scanned_ && !is_closing_ && !has_looked_;
  has_looked_ = looks;
  if (looks || jobs_.empty()) return true;
  *job = std::move(jobs_.front());
  jobs_.pop_front();
  return true;
}

void DiskWorker::finish(Job& job, const Report* report) {
  {
    const Lock lock(mutex_);
    is_busy_ = false;
    if (report != nullptr) reports_.push_back(*report);
    if (!job.rows.empty()) {
      queued_bytes_ -= std::ssize(job.rows);
      free_rows_.push_back(std::move(job.rows));
    }
  }
  changed_.notify_all();
}

DiskWorker::Report DiskWorker::write_file(const Job& job) const {
  Report report = {Report::Kind::kWritten, job.name, job.number, {}, {}};
  try {
    write_page_file(directory_ / job.name, format_, job.page, job.rows);
  } catch (const std::exception& error) {  // a page less; nothing else can be done here
    report.kind = Report::Kind::kNotWritten;
    report.error = error.what();
  }
  return report;
}

void DiskWorker::list_files() {
  std::error_code error;
  for (fs::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    std::string name = it->path().filename().string();
    if (parse_page_file_name(name)) to_scan_.push_back(std::move(name));
  }
}

void DiskWorker::look_at_one() {
  Job none;
  if (to_scan_.empty()) {
    {
      const Lock lock(mutex_);
      is_scanned_ = true;
    }
    finish(none, nullptr);
    return;
  }
  Report report = {Report::Kind::kFound, std::move(to_scan_.back()), 0, {}, {}};
  to_scan_.pop_back();
  const fs::path path = directory_ / report.name;
  report.found = read_page_header(path, format_);
  PageFileInfo& found = report.found;
  // The secret is another, or somebody has put a text under another one's key.
  if (found.state == PageFileState::kSound &&
      found.page.key != hasher_.next(found.page.parent, found.page.token_ids())) {
    found.state = PageFileState::kDamaged;
  }
  if (found.state == PageFileState::kDamaged) ::unlink(path.c_str());
  finish(none, &report);
}

}  // namespace fathom::engine
