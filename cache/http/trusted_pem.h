// Certificates as people paste them. Pure, thread-safe.
#ifndef CACHE_HTTP_TRUSTED_PEM_H_
#define CACHE_HTTP_TRUSTED_PEM_H_

#include <string>

#include "absl/strings/string_view.h"

namespace oneagent {

struct TrustedPem {
  std::string pem;  // what can be used, as libcurl takes it; "": nothing can
  // Blocks that cannot be used, by number (from 1) and with the cause; "" when
  // all can.
  std::string left_out;
};

// Every certificate between a BEGIN and an END mark, wherever on a line these
// stand: a byte order mark, indentation, CRLF and text between blocks do not
// count, and of a TRUSTED CERTIFICATE the certificate is taken. One block that
// is broken does not cost the others. No content is in `left_out`.
TrustedPem ReadTrustedPem(absl::string_view text);

}  // namespace oneagent

#endif  // CACHE_HTTP_TRUSTED_PEM_H_
