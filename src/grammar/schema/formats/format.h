#pragma once
// The values of the keyword `format` that are enforced.
#include <string_view>

#include "grammar/regex/characters.h"
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

/// date-time, date, time, duration, email, hostname, ipv4, ipv6, uuid, uri, uri-reference, iri,
/// iri-reference, uri-template, json-pointer, relative-json-pointer and regex.
bool is_enforced_format(std::string_view name);
/// Does format_regex() leave out so many texts that what it does not match says nothing?
bool is_partial_format(std::string_view name);

/// The texts of an enforced format: exactly what its RFC's grammar says, month lengths and leap
/// years among it. Two have fewer: a leap second (23:59:60 UTC) may have an offset of whole hours
/// only, and what a `regex` may be is said in regex_format.h.
/// Source: RFC 3339 (date-time, date, time; duration in appendix A), RFC 5321 §4.1.2 (email),
/// RFC 1123 §2.1 (hostname; labels of 63 characters, 253 in all), RFC 4291 §2.2 (ipv6), RFC 4122
/// (uuid), RFC 3986, 3987 and 6570 (uri, iri, uri-template), RFC 6901 (json-pointer).
Regex format_regex(RegexArena& arena, std::string_view name, Spelling spelling);

}  // namespace fathom::grammar
