// What every user of libcurl needs around it: owners of its handles, and the
// one place where its codes become a Status. Thread-safe.
#ifndef CACHE_HTTP_CURL_H_
#define CACHE_HTTP_CURL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct curl_slist;

namespace oneagent {

struct FreeCurl {
  void operator()(void* curl) const;
};
// A CURL*.
using CurlHandle = std::unique_ptr<void, FreeCurl>;

struct FreeCurlHeaders {
  void operator()(curl_slist* list) const;
};
using CurlHeaders = std::unique_ptr<curl_slist, FreeCurlHeaders>;

// libcurl wants this once per process; further calls do nothing. It is never
// undone, because nobody can know who else uses it.
void InitCurl();

// Never nullptr: without memory the process ends.
CurlHandle NewCurlHandle();
CurlHeaders NewCurlHeaders(const std::vector<std::string>& headers);

// InvalidArgument naming the header, never its value, when a line break in it
// would add headers of somebody else's choice.
absl::Status CheckHeaders(const std::vector<std::string>& headers);

// Of a CURLcode that is not CURLE_OK. `text` is libcurl's own, or "" for its
// general one: it names hosts and ports, but no header and no credentials.
// Unavailable for everything that may be better another time.
absl::Status CurlStatus(int code, absl::string_view text);

// False for what another attempt a moment later cannot cure: a malformed URL,
// a certificate that is not trusted.
bool MayPass(int code);

// Text that came from the network, or from libcurl about it, for a message.
std::string PrintableText(absl::string_view text);

// Rounded up: a transfer that runs into the limit has used up the time it had.
// Never 0, which means "no limit" to libcurl.
long CurlMilliseconds(absl::Duration duration);

}  // namespace oneagent

#endif  // CACHE_HTTP_CURL_H_
