#pragma once
#include <string_view>

namespace fathom::tokenizer {

// Spellings of the control tokens. "｜" is U+FF5C and "▁" is U+2581; <think> is plain ASCII.
inline constexpr std::string_view kBos = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEos = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kUserTurn = "<｜User｜>";
inline constexpr std::string_view kAssistantTurn = "<｜Assistant｜>";
inline constexpr std::string_view kThinkBegin = "<think>";
inline constexpr std::string_view kThinkEnd = "</think>";
inline constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
inline constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
inline constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
inline constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
inline constexpr std::string_view kOutputsBegin = "<｜tool▁outputs▁begin｜>";
inline constexpr std::string_view kOutputsEnd = "<｜tool▁outputs▁end｜>";
inline constexpr std::string_view kOutputBegin = "<｜tool▁output▁begin｜>";
inline constexpr std::string_view kOutputEnd = "<｜tool▁output▁end｜>";
inline constexpr std::string_view kToolSep = "<｜tool▁sep｜>";
inline constexpr std::string_view kDsmlMark = "｜DSML｜";
inline constexpr std::string_view kImSystem = "<|im_system|>";
inline constexpr std::string_view kImUser = "<|im_user|>";
inline constexpr std::string_view kImAssistant = "<|im_assistant|>";
inline constexpr std::string_view kImMiddle = "<|im_middle|>";
inline constexpr std::string_view kImEnd = "<|im_end|>";
inline constexpr std::string_view kImStart = "<|im_start|>";
inline constexpr std::string_view kToolCallBegin = "<tool_call>";
inline constexpr std::string_view kToolCallEnd = "</tool_call>";
inline constexpr std::string_view kToolResponseBegin = "<tool_response>";
inline constexpr std::string_view kToolResponseEnd = "</tool_response>";
inline constexpr std::string_view kBeginOfText = "<|begin_of_text|>";
inline constexpr std::string_view kHeaderBegin = "<|start_header_id|>";
inline constexpr std::string_view kHeaderEnd = "<|end_header_id|>";
inline constexpr std::string_view kEndOfTurn = "<|eot_id|>";
inline constexpr std::string_view kKimiCallsBegin = "<|tool_calls_section_begin|>";
inline constexpr std::string_view kKimiCallsEnd = "<|tool_calls_section_end|>";
inline constexpr std::string_view kKimiCallBegin = "<|tool_call_begin|>";
inline constexpr std::string_view kKimiCallEnd = "<|tool_call_end|>";
inline constexpr std::string_view kKimiArgumentsBegin = "<|tool_call_argument_begin|>";

}  // namespace fathom::tokenizer
