#pragma once
// What came of requests, told once to everybody who keeps it.
#include <memory>
#include <string>

#include "base/mutex.h"
#include "serve/accounts/accounts.h"
#include "serve/accounts/audit/audit_log.h"
#include "serve/metrics/metrics.h"
#include "serve/metrics/open_requests.h"

namespace fathom::serve {

class Ledger {
 public:
  /// `audit` may be null.
  Ledger(Accounts& accounts, Metrics& metrics, OpenRequests& open, bool log_as_json,
         AuditLog* audit = nullptr)
      : accounts_(accounts),
        metrics_(metrics),
        open_(open),
        log_as_json_(log_as_json),
        audit_(audit) {}

  /// A request is admitted; finish() ends what is returned.
  std::shared_ptr<OpenRequest> began(const UsageRecord& record) {
    metrics_.began();
    return open_.open(record);
  }
  /// Whether records are to hold what was said.
  bool wants_words() const { return audit_ != nullptr && audit_->wants_words(); }
  /// A queued request has ended. Any thread.
  void finish(const OpenRequest& request, const UsageRecord& record);
  /// A request was answered with an error before it was queued.
  void refused(const std::string& request_id, const std::string& endpoint, int status,
               const std::string& code);

 private:
  Accounts& accounts_;
  Metrics& metrics_;
  OpenRequests& open_;
  bool log_as_json_;
  AuditLog* audit_;
};

/// The record of one queued request: told to the ledger when this is destroyed. Until somebody says
/// otherwise its client went away.
class Ticket {
 public:
  Ticket(Ledger& ledger, UsageRecord record) : ledger_(ledger), record_(std::move(record)) {
    record_.status = 499;
    open_ = ledger_.began(record_);
  }
  ~Ticket() { ledger_.finish(*open_, record_); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  UsageRecord& record() { return record_; }
  OpenRequest& open() { return *open_; }

 private:
  Ledger& ledger_;
  std::shared_ptr<OpenRequest> open_;  // operators may be looking at it when this goes
  UsageRecord record_;
};

}  // namespace fathom::serve
