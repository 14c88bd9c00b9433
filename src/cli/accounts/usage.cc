#include <fmt/format.h>

#include "base/error.h"
#include "cli/accounts/database_option.h"
#include "cli/command.h"
#include "cli/output.h"
#include "serve/accounts/limits/period.h"
#include "serve/accounts/usage/usage_text.h"

namespace fathom::cli {
namespace {

void require_date(const char* option, const std::string& text) {
  i64 day = 0;
  if (text.empty() || serve::parse_date(text, day)) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{}: found {}, expected a date such as 2026-12-31", option, text));
}

class Usage : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("usage", "What a server's keys have used");
    add_database_option(command, database_);
    command.add_option("--by", by_, "How to cut it: some of day, week, month, key, model, user")
        .show_default();
    command.add_option("--from", query_.from, "First day (UTC)").type_name("DATE");
    command.add_option("--to", query_.to, "Last day (UTC)").type_name("DATE");
    command.add_option("--key", key_, "Of one key: its name or id");
    Option csv = command.add_flag("--csv", csv_, "Comma-separated values (RFC 4180)");
    command.add_flag("--json", json_, "One JSON object").excludes(csv);
    command.footer(
        "Days are those on which requests ended. Money is in the unit of the server's prices.\n"
        "Example: fathom usage --database usage.db --by key,day --from 2026-12-01 --csv");
    return command;
  }

  int run() override {
    query_.by = serve::parse_usage_columns(by_);
    require_date("--from", query_.from);
    require_date("--to", query_.to);
    const serve::Books books = open_books(database_);
    if (!key_.empty()) query_.key_id = books.key_id_of(key_);
    const auto lines = books.usage(query_);
    if (json_) {
      out::print("{}\n", io::write_json(serve::usage_json(query_, lines)));
    } else {
      out::write(csv_ ? serve::usage_csv(query_, lines) : serve::usage_table(query_, lines));
    }
    return kExitOk;
  }

 private:
  DatabaseOption database_;
  serve::UsageQuery query_;
  std::string by_ = "key,day", key_;
  bool csv_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_usage() { return std::make_unique<Usage>(); }

}  // namespace fathom::cli
