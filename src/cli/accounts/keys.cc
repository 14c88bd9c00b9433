#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "base/error.h"
#include "cli/accounts/database_option.h"
#include "cli/accounts/key_text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "io/json.h"
#include "serve/accounts/keys/key_json.h"

namespace fathom::cli {
namespace {

i64 now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

class Keys : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("keys", "API keys of a server");
    command.require_command();
    add_add(command);
    list_ = command.add_command("list", "The keys there are, and what they may do");
    add_database_option(list_, database_);
    list_.add_flag("--json", json_, "One JSON array");
    revoke_ = command.add_command("revoke", "A key is refused from now on");
    revoke_.add_option("key", name_, "Its name, its id or its first characters").required();
    add_database_option(revoke_, database_);
    command.footer("fathom keys add|list|revoke --help says more.");
    return command;
  }

  int run() override {
    if (add_.chosen()) return run_add();
    return list_.chosen() ? run_list() : run_revoke();
  }

 private:
  void add_add(Arguments& command) {
    add_ = command.add_command("add", "Make a key and show it, once");
    add_.add_option("name", name_, "Who it is for").required();
    add_database_option(add_, database_);
    add_.add_flag("--static", static_, "Store nothing: print the table for the server's file");
    add_.add_flag("--json", json_, "One JSON object");
    add_.add_option("--models", settings_.models, "Models it may use; default: all")
        .delimiter(',')
        .one_value_each();
    add_.add_flag("--admin", settings_.admin, "May read everybody's usage and change keys");
    const auto limit = [this](const char* name, i64& value, const char* help) {
      add_.add_option(name, value, help).check(integer_from(0)).show_default();
    };
    limit("--requests-per-minute", settings_.requests_per_minute, "0: no limit, of all of these");
    limit("--tokens-per-minute", settings_.tokens_per_minute, "Of prompts and answers");
    limit("--max-parallel", settings_.max_parallel, "Requests that run at once");
    limit("--quota-tokens", settings_.quota_tokens, "Tokens of a period");
    add_.add_option("--budget", settings_.budget, "Money of a period, in the unit of the prices")
        .check(number_between(0, 1e9))
        .show_default();
    add_.add_option("--period", period_, "Of quota and budget, in UTC")
        .one_of({"day", "week", "month"})
        .show_default();
    add_.add_option("--priority", settings_.priority,
                    "Of its requests, and the most urgent that they may ask for; lower is sooner")
        .check(integer_between(-100, 100))
        .show_default();
    add_.add_option("--weight", settings_.weight, "Share of the engine beside other keys")
        .check(number_between(0.01, 100))
        .show_default();
    add_.add_option("--expires", settings_.expires, "First day (UTC) that it is refused on")
        .type_name("DATE");
    add_.footer(
        "A running server knows the key within two seconds. Only a digest is stored: a lost key "
        "is\n"
        "revoked and made anew.\n"
        "Example: fathom keys add alice --database usage.db --tokens-per-minute 50000");
  }

  int run_add() {
    serve::parse_period(period_, settings_.period);
    if (static_) {
      const serve::NewKey made = serve::make_key(name_, settings_);
      out::print("# {}\n{}", made.secret, key_toml(name_, settings_));
      return kExitOk;
    }
    const auto [key, secret] = open_books(database_).add_key(name_, settings_);
    if (json_) {
      io::JsonObject object = key_json(key);
      object.set("key", secret);
      out::print("{}\n", io::write_json(std::move(object)));
    } else {
      out::print("{}\n", secret);
      err::write(fmt::format("The key of {} ({}), shown this once.\n", key.name, key.id));
    }
    return kExitOk;
  }

  int run_list() {
    const std::vector<serve::Key> keys = open_books(database_).keys();
    if (json_) {
      io::JsonArray array;
      for (const serve::Key& key : keys) array.emplace_back(key_json(key));
      out::print("{}\n", io::write_json(std::move(array)));
    } else {
      out::print("{}", key_table(keys, now_s()));
    }
    return kExitOk;
  }

  int run_revoke() {
    if (!open_books(database_).revoke_key(name_)) {
      throw Error(ErrorCode::kNotFound,
                  fmt::format("{}: no key of the database has this name, id or beginning; those of "
                              "the server's file are removed there",
                              name_));
    }
    out::print("{} is revoked\n", name_);
    return kExitOk;
  }

  Arguments add_, list_, revoke_;
  DatabaseOption database_;
  serve::KeyConfig settings_;
  std::string name_, period_ = "month";
  bool static_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_keys() { return std::make_unique<Keys>(); }

}  // namespace fathom::cli
