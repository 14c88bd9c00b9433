#include "serve/api/sse.h"

namespace fathom::serve {

std::vector<http::Header> sse_headers() {
  return {{"Content-Type", "text/event-stream; charset=utf-8"},
          {"Cache-Control", "no-cache"},
          {"X-Accel-Buffering", "no"}};
}

}  // namespace fathom::serve
