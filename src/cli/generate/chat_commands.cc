#include "cli/generate/chat_commands.h"

#include <algorithm>
#include <array>

namespace fathom::cli {

const char* const kChatCommandHelp =
    "/clear  forget the conversation      /system TEXT  set the system message and start anew\n"
    "/think on|off                        /exit  or Ctrl-D: leave      /help\n"
    "Any other line is a message, whatever it begins with. A line that ends in \\ goes on in the "
    "next.\nCtrl-C stops an answer.\n";

std::optional<ChatCommand> parse_chat_command(std::string_view line) {
  constexpr std::array<std::string_view, 5> kWords = {"/clear", "/system", "/think", "/exit",
                                                      "/help"};
  if (line == "/clear") return ChatCommand{ChatCommandKind::kClear};
  if (line == "/exit") return ChatCommand{ChatCommandKind::kExit};
  if (line == "/think on") return ChatCommand{ChatCommandKind::kThinkOn};
  if (line == "/think off") return ChatCommand{ChatCommandKind::kThinkOff};
  constexpr std::string_view kSystem = "/system ";
  if (line.starts_with(kSystem)) {
    return ChatCommand{ChatCommandKind::kSystem, std::string(line.substr(kSystem.size()))};
  }
  const std::string_view word = line.substr(0, line.find_first_of(" \t\n"));
  if (std::ranges::find(kWords, word) != kWords.end()) return ChatCommand{};
  return std::nullopt;
}

}  // namespace fathom::cli
