#include "io/text/python_format.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

namespace fathom::io {
namespace {

TEST(PythonFloat, IsRepr) {
  // python3 -c 'for x in [...]: print(repr(x))'
  const std::pair<double, const char*> cases[] = {
      {0.0, "0.0"},
      {-0.0, "-0.0"},
      {1.0, "1.0"},
      {-12.5, "-12.5"},
      {0.1, "0.1"},
      {1e-4, "0.0001"},
      {1e-5, "1e-05"},
      {1.5e-7, "1.5e-07"},
      {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},
      {1.25e22, "1.25e+22"},
      {123456.789, "123456.789"},
      {1.0 / 3.0, "0.3333333333333333"},
      {5e-324, "5e-324"},
      {std::numeric_limits<double>::infinity(), "inf"},
      {-std::numeric_limits<double>::infinity(), "-inf"},
      {std::nan(""), "nan"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(python_float(value), text);
}

TEST(PythonString, IsJsonDumpsWithoutAsciiEscapes) {
  std::string out = "x: ";
  append_python_string("\"\\/\n\r\t\b\f\x01\x1f\x7f\xC3\xA9", out);
  EXPECT_EQ(out, "x: \"\\\"\\\\/\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\xC3\xA9\"");
}

}  // namespace
}  // namespace fathom::io
