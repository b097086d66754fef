// One request and its one answer by libcurl, with nothing tried twice: the
// only part of this folder that drives libcurl. Used by one thread at a time.
#ifndef CACHE_SOURCE_CURL_EXCHANGE_H_
#define CACHE_SOURCE_CURL_EXCHANGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cache/http/curl.h"
#include "cache/http/url.h"
#include "cache/source/download_file.h"
#include "cache/source/fetch.h"

namespace oneagent {

class ResponseReader;

struct ExchangeResult {
  enum class Kind {
    kAnswer,         // `answer` is complete
    kBroken,         // `status` says how; another exchange may do
    kUnusableRange,  // the file cannot be continued by this server
    kFailed,         // `status` says why; another exchange is no use
  };
  Kind kind = Kind::kFailed;
  absl::Status status = absl::OkStatus();
  FetchResult answer = {};
  std::string redirect = {};  // where a 3xx answer points to, absolute
};

// Keeps its connection from one exchange to the next.
class CurlSession {
 public:
  // All are borrowed and must outlive the session; `file` is nullptr when the
  // body is kept in memory.
  CurlSession(const FetchRequest& request, const ProxyAddress& proxy,
              const std::string& user_agent, DownloadFile* file);
  ~CurlSession();
  CurlSession(const CurlSession&) = delete;
  CurlSession& operator=(const CurlSession&) = delete;

  // Call it first, once. Errors: of reading the system's root certificates.
  absl::Status Prepare();

  // Asks for `url`: for the rest of the file when `resume`, else for all.
  ExchangeResult Run(const std::string& url, bool resume,
                     absl::Duration timeout);

 private:
  CurlHeaders BuildHeaders(bool resume) const;
  void SetRequest(const std::string& url, absl::Duration timeout);
  void SetTrust();
  void SetProxy();
  absl::Status ProxyRefusal(const ResponseReader& reader) const;
  ExchangeResult Conclude(int code, ResponseReader& reader);

  const FetchRequest& request_;
  const ProxyAddress& proxy_;
  const std::string& user_agent_;
  DownloadFile* const file_;
  const CurlHandle curl_;
  std::string roots_;  // PEM; empty: libcurl's own choice
  std::string error_;  // libcurl's buffer
};

}  // namespace oneagent

#endif  // CACHE_SOURCE_CURL_EXCHANGE_H_
