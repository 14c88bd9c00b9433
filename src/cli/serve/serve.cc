#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/serve/loaded_model.h"
#include "cli/serve/process_setup.h"
#include "cli/serve/running_server.h"
#include "config/run/run_file.h"
#include "io/files/output_path.h"
#include "serve/accounts/sql/sql.h"
#include "serve/metrics/json_log.h"

namespace fathom::cli {
namespace {

/// A flag and the key of the configuration that it sets.
struct ServeFlag {
  const char* names;
  const char* key;
  const char* help;
  const char* type;
};

constexpr std::array kFlags = {
    ServeFlag{"-m,--model", "model.path", "Model directory (Hugging Face layout), or a .gguf file",
              "PATH"},
    ServeFlag{"--host", "server.host", "Address to listen on", "ADDRESS"},
    ServeFlag{"--port", "server.port", "Port to listen on; 0: one that is free", "PORT"},
    ServeFlag{"--name", "model.name", "The model's id in the API", "NAME"},
    ServeFlag{"--chat-template", "model.chat_template",
              "Built-in chat template; default: the one recognised in the checkpoint", "NAME"},
    ServeFlag{"--context", "model.context_tokens", "Tokens of a request, prompt and answer",
              "TOKENS"},
    ServeFlag{"--cache-tokens", "model.cache_tokens", "Tokens that the cache holds", "TOKENS"},
    ServeFlag{"--drafts", "model.drafts", "Tokens at most that MTP modules propose for a step",
              "TOKENS"},
    ServeFlag{"--ranks", "ranks.count", "Threads that share the requests and the experts", "RANKS"},
    ServeFlag{"--prefill-ranks", "ranks.prefill",
              "Of these, ranks that compute prompts and leave decoding to the others", "RANKS"},
    ServeFlag{"--log-format", "server.log_format", "text or json", "FORMAT"},
};

constexpr std::string_view kServePrefix = "FATHOM_SERVE_";

class Serve : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("serve", "Answer HTTP requests of OpenAI's API");
    command_.add_option("--config", config_file_, "TOML file; flags stand above it")
        .type_name("FILE");
    for (size_t i = 0; i < kFlags.size(); ++i) {
      command_.add_option(kFlags[i].names, values_[i], kFlags[i].help).type_name(kFlags[i].type);
    }
    command_.add_option("--set", settings_, "Change a key of the configuration; may be repeated")
        .type_name("SECTION.KEY=VALUE")
        .one_value_each();
    command_.add_flag("--print-config", print_config_, "Print the resolved configuration");
    command_.add_flag("--keys", keys_, "Print every key of the configuration with its default");
    command_.footer(
        "Examples:\n  fathom serve --model DIR\n"
        "  fathom serve --config serve.toml --port 9000\n"
        "  FATHOM_SERVE_SERVER_PORT=9000 fathom serve --model DIR\n"
        "SIGTERM lets running requests end; SIGINT, or SIGTERM again, does not.");
    return command_;
  }

  int run() override {
    if (keys_) {
      serve::ServeConfig defaults;
      out::write(describe_run_file(field_list(defaults)));
      return kExitOk;
    }
    serve::ServeConfig config = read_config();
    if (print_config_) {
      out::write(write_run_file(field_list(config)));
      return kExitOk;
    }
    if (config.model.path.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  "no model: expected --model PATH, or path under [model] of --config");
    }
    if (config.server.log_format == serve::LogFormat::kJson) serve::log_as_json();
    refuse_open_doors(config);
    check_model(config.model);
    check_cache(config.cache);
    if (!config.model.loads_file.empty()) io::require_output_file(config.model.loads_file);
    const bool is_level_fixed = set_log_level(config.server.log_level);
    log_config(config);
    raise_file_limit();
    return RunningServer(
               std::move(config), [this] { return read_config(); }, is_level_fixed)
        .run();
  }

 private:
  serve::ServeConfig read_config() const {
    serve::ServeConfig config;
    std::vector<std::string> settings = value_or_throw(
        serve::environment_settings(kServePrefix, environment_entries(), field_list(config)));
    for (size_t i = 0; i < kFlags.size(); ++i) {
      if (!values_[i].empty()) settings.push_back(std::string(kFlags[i].key) + "=" + values_[i]);
    }
    settings.insert(settings.end(), settings_.begin(), settings_.end());
    value_or_throw(config_file_.empty()
                       ? parse_run_file("", "options", settings, field_list(config))
                       : read_run_file(config_file_, settings, field_list(config)));
    return config;
  }

  /// Without the password of a database.
  static void log_config(serve::ServeConfig config) {
    config.accounts.database = serve::shown_database(config.accounts.database);
    log::info("configuration:\n{}", write_run_file(field_list(config)));
  }

  /// Without keys everyone who reaches the address may use the model.
  static void refuse_open_doors(const serve::ServeConfig& config) {
    if (!config.keys.empty() || !config.accounts.database.empty()) return;
    const std::string& host = config.server.host;
    if (serve::is_loopback(host)) return;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("server.host: {} can be reached from other machines, and there are no "
                            "keys: expected 127.0.0.1, ::1 or localhost",
                            host));
  }

  Arguments command_;
  std::string config_file_;
  std::array<std::string, kFlags.size()> values_;
  std::vector<std::string> settings_;
  bool print_config_ = false, keys_ = false;
};

}  // namespace

std::unique_ptr<Command> make_serve() { return std::make_unique<Serve>(); }

}  // namespace fathom::cli
