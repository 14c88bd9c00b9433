#include <array>

#include "cli/command.h"

namespace fathom::cli {

std::span<const std::unique_ptr<Command>> commands() {
  static const std::array<std::unique_ptr<Command>, 16> kCommands = {
      make_train(), make_plan(),  make_report(), make_generate(), make_chat(),      make_serve(),
      make_route(), make_score(), make_eval(),   make_inspect(),  make_tokenizer(), make_convert(),
      make_init(),  make_bench(), make_keys(),   make_usage(),
  };
  return kCommands;
}

}  // namespace fathom::cli
