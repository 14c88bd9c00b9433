#include "serve/http/response.h"

#include <gmock/gmock.h>

namespace fathom::serve::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Head, NamesLengthOrChunksOrTheEnd) {
  const Response response{.status = 404, .headers = {{"X", "y"}}, .body = "abc"};
  EXPECT_THAT(write_head(response, Framing::kLength, true),
              HasSubstr("HTTP/1.1 404 Not Found\r\nX: y\r\n"));
  EXPECT_THAT(write_head(response, Framing::kLength, true), HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(write_head(response, Framing::kLength, true),
              HasSubstr("Connection: keep-alive\r\n\r\n"));
  EXPECT_THAT(write_head(response, Framing::kChunked, false),
              HasSubstr("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(write_head(response, Framing::kUntilClose, false), Not(HasSubstr("Length")));
}

// What a client wrote comes back in headers: it must not end them.
TEST(Head, ValuesHoldNoLineEnds) {
  const Response response{.headers = {{"x-fathom-ignored", "a\r\nSet-Cookie: b\r\n\r\n<html>"}}};
  EXPECT_THAT(write_head(response, Framing::kLength, true),
              HasSubstr("x-fathom-ignored: a  Set-Cookie: b    <html>\r\n"));
}

TEST(Chunk, OfNothingIsNone) {
  std::string out;
  append_chunk("", out);
  EXPECT_EQ(out, "");  // it would be the last one
  append_chunk(std::string(26, 'a'), out);
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'a') + "\r\n");
}

}  // namespace
}  // namespace fathom::serve::http
