#include <fmt/format.h>

#include <array>

#include "base/log.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/serve/loaded_model.h"
#include "cli/serve/process_setup.h"
#include "cli/serve/running_server.h"
#include "cli/serve/service_options.h"
#include "config/run/run_file.h"
#include "io/files/output_path.h"
#include "serve/accounts/sql/sql.h"
#include "serve/metrics/json_log.h"

namespace fathom::cli {
namespace {

constexpr std::array kServeFlags = {
    ServiceFlag{"-m,--model", "model.path",
                "Model directory (Hugging Face layout), or a .gguf file", "PATH"},
    ServiceFlag{"--host", "server.host", "Address to listen on", "ADDRESS"},
    ServiceFlag{"--port", "server.port", "Port to listen on; 0: one that is free", "PORT"},
    ServiceFlag{"--name", "model.name", "The model's id in the API", "NAME"},
    ServiceFlag{"--chat-template", "model.chat_template",
                "Built-in chat template; default: the one recognised in the checkpoint", "NAME"},
    ServiceFlag{"--context", "model.context_tokens", "Tokens of a request, prompt and answer",
                "TOKENS"},
    ServiceFlag{"--cache-tokens", "model.cache_tokens", "Tokens that the cache holds", "TOKENS"},
    ServiceFlag{"--drafts", "model.drafts", "Tokens at most that MTP modules propose for a step",
                "TOKENS"},
    ServiceFlag{"--ranks", "ranks.count", "Threads that share the requests and the experts",
                "RANKS"},
    ServiceFlag{"--prefill-ranks", "ranks.prefill",
                "Of these, ranks that compute prompts and leave decoding to the others", "RANKS"},
    ServiceFlag{"--log-format", "server.log_format", "text or json", "FORMAT"},
};

constexpr std::string_view kServePrefix = "FATHOM_SERVE_";

class Serve : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("serve", "Answer HTTP requests of OpenAI's API");
    options_.add(command_);
    command_.footer(
        "Examples:\n  fathom serve --model DIR\n"
        "  fathom serve --config serve.toml --port 9000\n"
        "  FATHOM_SERVE_SERVER_PORT=9000 fathom serve --model DIR\n"
        "SIGTERM lets running requests end; SIGINT, or SIGTERM again, does not.");
    return command_;
  }

  int run() override {
    if (options_.asks_for_keys()) {
      serve::ServeConfig defaults;
      out::write(describe_run_file(field_list(defaults)));
      return kExitOk;
    }
    serve::ServeConfig config = read_config();
    if (options_.asks_for_config()) {
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
    options_.read(field_list(config));
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
  ServiceOptions options_{kServePrefix, kServeFlags};
};

}  // namespace

std::unique_ptr<Command> make_serve() { return std::make_unique<Serve>(); }

}  // namespace fathom::cli
