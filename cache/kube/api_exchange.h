// One request on its way, by one libcurl handle in a client's multi handle.
// Belongs to the client's thread.
#ifndef CACHE_KUBE_API_EXCHANGE_H_
#define CACHE_KUBE_API_EXCHANGE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cache/http/curl.h"
#include "cache/kube/api_access.h"
#include "cache/kube/api_request.h"

namespace oneagent {

// What becomes of a request. All are called on the client's thread.
struct ApiHandlers {
  // The server accepts it (2xx); nothing of the body has come yet. May be
  // empty.
  std::function<void()> on_open = {};
  // A piece of a 2xx body, instead of keeping it for the answer; false ends
  // the exchange with Cancelled. May be empty.
  std::function<bool(absl::string_view)> on_bytes = {};
  // Once, at the end. Any HTTP answer is a result. Errors name method and URL
  // without its query: Unavailable no answer (DNS, connection, TLS, cut, time
  // out); ResourceExhausted larger than max_bytes; InvalidArgument a token, a
  // URL or a certificate that cannot be used; Cancelled.
  std::function<void(absl::StatusOr<ApiAnswer>)> on_done;
};

class ApiExchange {
 public:
  // What all exchanges of a client share; outlives them.
  struct Common {
    ApiAccess access;
    std::string user_agent;
    // When the server was last heard of, in whatever exchange.
    std::chrono::steady_clock::time_point last_byte = {};
    // The last thing that happened was an answer, not a connection's end.
    bool is_connected = false;
  };

  ApiExchange(uint64_t id, Common& common, ApiRequest request,
              ApiHandlers handlers);
  ApiExchange(const ApiExchange&) = delete;
  ApiExchange& operator=(const ApiExchange&) = delete;

  // Makes the handle ready for a (first or second) try with `token`. Errors:
  // InvalidArgument.
  absl::Status Prepare(const std::string& token);
  void* curl() const { return curl_.get(); }
  const std::string& token() const { return token_; }
  const ApiHandlers& handlers() const { return handlers_; }
  uint64_t id() const { return id_; }
  // No handler is called from now on.
  void Mute() { is_muted_ = true; }
  bool is_muted() const { return is_muted_; }
  // The server has said something.
  bool is_answered() const { return is_answered_; }

  // How the try ended, by libcurl's CURLcode.
  absl::StatusOr<ApiAnswer> Conclude(int code);
  // `status` with the request's method and URL before it.
  absl::Status Named(const absl::Status& status) const;

 private:
  // libcurl's callbacks.
  static size_t OnHeaderLine(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);

  bool TakeBytes(absl::string_view bytes);
  void SetConnection();
  void SetTrust();
  void SetMethod();
  int HttpStatus() const;

  const uint64_t id_;
  Common& common_;
  const ApiRequest request_;
  const ApiHandlers handlers_;
  const CurlHandle curl_;
  std::string url_;
  std::string token_;
  CurlHeaders headers_;
  CurlHeaders connect_to_;
  std::string error_;  // libcurl's buffer
  std::string body_;
  bool is_muted_ = false;
  bool is_answered_ = false;
  bool is_too_large_ = false;
  bool is_ended_by_handler_ = false;
};

}  // namespace oneagent

#endif  // CACHE_KUBE_API_EXCHANGE_H_
