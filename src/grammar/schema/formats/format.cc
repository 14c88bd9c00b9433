#include "grammar/schema/formats/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "base/check.h"
#include "grammar/regex/anchors.h"
#include "grammar/regex/parse_regex.h"
#include "grammar/schema/formats/regex_format.h"

namespace fathom::grammar {
namespace {

std::string any_of(const std::vector<std::string>& choices) {
  return fmt::format("(?:{})", fmt::join(choices, "|"));
}

// RFC 3339.

std::string date() {
  const std::string leap_year =
      R"((?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00))";
  return any_of({R"(\d{4}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01]))",
                 R"(\d{4}-(?:0[469]|11)-(?:0[1-9]|[12]\d|30))", R"(\d{4}-02-(?:0[1-9]|1\d|2[0-8]))",
                 leap_year + "-02-29"});
}

std::string time() {
  const std::string fraction = R"((?:\.\d+)?)";
  std::vector<std::string> times{R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)" + fraction +
                                 R"((?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d))"};
  times.push_back("23:59:60" + fraction + "[Zz]");
  for (int offset = 0; offset < 24; ++offset) {
    const auto add = [&](int hour, char sign) {
      times.push_back(fmt::format("{:02}:59:60{}\\{}{:02}:00", hour, fraction, sign, offset));
    };
    add((23 + offset) % 24, '+');
    add(23 - offset, '-');
  }
  return any_of(times);
}

std::string duration() {
  const std::string seconds = R"(\d+S)", days = R"(\d+D)";
  const std::string minutes = R"(\d+M)" + fmt::format("(?:{})?", seconds);
  const std::string hours = R"(\d+H)" + fmt::format("(?:{})?", minutes);
  const std::string months = R"(\d+M)" + fmt::format("(?:{})?", days);
  const std::string years = R"(\d+Y)" + fmt::format("(?:{})?", months);
  const std::string time = "T" + any_of({hours, minutes, seconds});
  return "P" +
         any_of({any_of({days, months, years}) + fmt::format("(?:{})?", time), time, R"(\d+W)"});
}

// Hosts.

std::string ipv4() {
  const std::string byte = R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
  return fmt::format(R"({0}(?:\.{0}){{3}})", byte);
}

/// IPv6address of RFC 3986 §3.2.2.
std::string ipv6() {
  const std::string h16 = "[0-9A-Fa-f]{1,4}";
  const std::string last = any_of({h16 + ":" + h16, ipv4()});  // 32 bits
  std::vector<std::string> forms{fmt::format("(?:{}:){{6}}{}", h16, last)};
  // What may stand before the ::, if there is anything.
  const auto before = [&](int more) {
    return more < 0 ? "" : fmt::format("(?:(?:{0}:){{0,{1}}}{0})?", h16, more);
  };
  for (int groups = 5; groups >= 0; --groups) {
    forms.push_back(fmt::format("{}::(?:{}:){{{}}}{}", before(4 - groups), h16, groups, last));
  }
  forms.push_back(before(5) + "::" + h16);
  forms.push_back(before(6) + "::");
  return any_of(forms);
}

/// One part between the dots of a host's name.
constexpr std::string_view kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

std::string hostname() { return fmt::format(R"({0}(?:\.{0})*)", kLabel); }

std::string email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
  const std::string quoted = R"("(?:[ !#-\[\]-~]|\\[ -~])*")";
  const std::string literal = R"(\[(?:)" + ipv4() + "|IPv6:" + ipv6() + R"()\])";
  return any_of({fmt::format(R"({0}(?:\.{0})*)", atom), quoted}) + "@" +
         any_of({hostname(), literal});
}

// RFC 3986 and 3987. The rules have its names.

enum class Characters { kUri, kIri };
enum class Form { kAbsolute, kReference };

/// Ranges of a class.
std::string ucschar() {
  std::string ranges = R"(\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF)";
  for (int plane = 1; plane <= 13; ++plane) {
    ranges += fmt::format("\\u{{{:X}0000}}-\\u{{{:X}FFFD}}", plane, plane);
  }
  return ranges + R"(\u{E1000}-\u{EFFFD})";
}
constexpr std::string_view kIprivate = R"(\uE000-\uF8FF\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD})";

std::string uri(Characters characters, Form form) {
  const bool iri = characters == Characters::kIri;
  const std::string unreserved = R"(A-Za-z0-9\-._~)" + (iri ? ucschar() : "");
  const std::string sub_delims = "!$&'()*+,;=";
  const auto characters_of = [&](const std::string& more) {
    return fmt::format("(?:[{}{}{}]|%[0-9A-Fa-f]{{2}})", unreserved, sub_delims, more);
  };
  const std::string pchar = characters_of(":@");
  const std::string ip_literal =
      fmt::format(R"(\[(?:{}|[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~{}:]+)\])", ipv6(), sub_delims);
  const std::string authority = fmt::format(R"((?:{}*@)?(?:{}|{}*)(?::\d*)?)", characters_of(":"),
                                            ip_literal, characters_of(""));
  const std::string more_segments = fmt::format("(?:/{}*)*", pchar);
  const std::string path_rootless = pchar + "+" + more_segments;
  const std::string with_authority = "//" + authority + more_segments;
  const std::string path_absolute = fmt::format("/(?:{})?", path_rootless);
  const std::string query_private(iri ? kIprivate : "");
  const std::string ending = fmt::format(
      R"((?:\?{}*)?(?:#{}*)?)", characters_of(":@/?" + query_private), characters_of(":@/?"));
  const std::string absolute =
      "[A-Za-z][A-Za-z0-9+.-]*:" + any_of({with_authority, path_absolute, path_rootless, ""}) +
      ending;
  if (form == Form::kAbsolute) return absolute;
  const std::string path_noscheme = characters_of("@") + "+" + more_segments;
  return any_of({absolute, any_of({with_authority, path_absolute, path_noscheme, ""}) + ending});
}

/// RFC 6570 §2.
std::string uri_template() {
  const std::string percent = "%[0-9A-Fa-f]{2}";
  const std::string literal =
      fmt::format(R"((?:[!#$&(-;=?-\[\]_a-z~{}{}]|{}))", ucschar(), kIprivate, percent);
  const std::string name_character = fmt::format("(?:[A-Za-z0-9_]|{})", percent);
  const std::string variable =
      fmt::format(R"({0}(?:\.?{0})*(?::[1-9]\d{{0,3}}|\*)?)", name_character);
  return fmt::format(R"((?:{0}|\{{[+#./;?&=,!@|]?{1}(?:,{1})*\}})*)", literal, variable);
}

std::string json_pointer() { return "(?:/(?:[^~/]|~[01])*)*"; }

struct Format {
  std::string_view name;
  std::string (*pattern)();
};
constexpr Format kFormats[] = {
    {"date-time", [] { return date() + "[Tt]" + time(); }},
    {"date", date},
    {"time", time},
    {"duration", duration},
    {"email", email},
    {"hostname", hostname},
    {"ipv4", ipv4},
    {"ipv6", ipv6},
    {"uuid", [] { return std::string("[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"); }},
    {"uri", [] { return uri(Characters::kUri, Form::kAbsolute); }},
    {"uri-reference", [] { return uri(Characters::kUri, Form::kReference); }},
    {"iri", [] { return uri(Characters::kIri, Form::kAbsolute); }},
    {"iri-reference", [] { return uri(Characters::kIri, Form::kReference); }},
    {"uri-template", uri_template},
    {"json-pointer", json_pointer},
    {"regex", nullptr},
    {"relative-json-pointer", [] { return "(?:0|[1-9][0-9]*)(?:#|" + json_pointer() + ")"; }}};

const Format* find_format(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                   [&](const Format& format) { return format.name == name; });
  return found == std::end(kFormats) ? nullptr : found;
}

}  // namespace

bool is_enforced_format(std::string_view name) { return find_format(name) != nullptr; }

bool is_partial_format(std::string_view name) { return name == "regex"; }

Regex format_regex(RegexArena& arena, std::string_view name, Spelling spelling) {
  const Format* format = find_format(name);
  FATHOM_CHECK(format != nullptr, name);
  if (name == "regex") return pattern_format(arena, spelling);
  const auto parsed = [&](const std::string& pattern) {
    return whole_text(arena, value_or_throw(parse_regex(arena, pattern, spelling)));
  };
  const Regex regex = parsed(format->pattern());
  return name == "hostname" ? arena.intersect(regex, parsed(".{1,253}")) : regex;
}

}  // namespace fathom::grammar
