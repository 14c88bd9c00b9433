#pragma once
// The lines of a conversation that are no messages.
#include <optional>
#include <string>
#include <string_view>

namespace fathom::cli {

enum class ChatCommandKind { kClear, kSystem, kThinkOn, kThinkOff, kExit, kHelp };

struct ChatCommand {
  ChatCommandKind kind = ChatCommandKind::kHelp;
  std::string argument = {};  // of kSystem
};

/// What `line` orders; nullopt: it is a message, as "/etc/hosts is what?" is. A command's word with
/// something else behind it than the command takes asks for help.
std::optional<ChatCommand> parse_chat_command(std::string_view line);

/// One line a command.
extern const char* const kChatCommandHelp;

}  // namespace fathom::cli
