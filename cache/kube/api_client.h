// Authenticated requests to an API server, many at once, over one pool of
// connections (HTTP/2, so usually one connection, or 1.1), on one thread of the
// client's own.
//
// From any other thread a request is a call that waits:
//
//   auto client = ApiClient::Open(access, "oneagent-csi/0.1 provisioner");
//   auto answer = (*client)->Call({.path = events.Path(), .method = "POST",
//   …}); if (!answer.ok()) …            // no answer ApiError("create", events,
//   *answer)  // OK, or what was refused
//
// On the client's thread, where Post brings one, requests, streams and timers
// are begun and end in handlers; that is how watches are kept.
//
// A token file is read again for each request, and once more when the server
// answers 401. Nothing is tried again otherwise: that is its user's decision.
// No token is in any error.
#ifndef CACHE_KUBE_API_CLIENT_H_
#define CACHE_KUBE_API_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "cache/kube/api_access.h"
#include "cache/kube/api_exchange.h"
#include "cache/kube/api_request.h"

namespace oneagent {

class ApiClient {
 public:
  // Of an exchange or a timer; never 0, never used again.
  using Id = uint64_t;

  // InvalidArgument when the server's URL cannot be used. Connects to nobody
  // yet.
  static absl::StatusOr<std::unique_ptr<ApiClient>> Open(
      ApiAccess access, std::string user_agent);
  // Ends as Close, then waits for the thread.
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  const ApiAccess& access() const { return common_.access; }

  // Thread-safe; on any thread but the client's. Results and errors as
  // ApiHandlers::on_done.
  absl::StatusOr<ApiAnswer> Call(const ApiRequest& request);

  // Everything that is under way ends with Cancelled, and so does what comes
  // later; timers are dropped. Thread-safe.
  void Close();

  // Runs `task` on the client's thread, soon. False, and `task` is dropped,
  // once the client is closed. Thread-safe.
  bool Post(std::function<void()> task);
  // The same, and waits for its end; once the client's thread is over, `task`
  // runs on the calling one. For the end of what lives on that thread.
  void RunAndWait(const std::function<void()>& task);

  // The rest is for the client's thread alone.

  // `handlers` are called later, never within Begin.
  Id Begin(ApiRequest request, ApiHandlers handlers);
  // Calls no handler any more. An id that is over is fine.
  void Abandon(Id exchange);
  Id After(absl::Duration delay, std::function<void()> task);
  void CancelTimer(Id timer);

  // Since the server was last heard of, by whatever exchange.
  absl::Duration Silence() const;
  // Ends all exchanges with Unavailable, and the connections with them: a
  // connection that is dead but open would take the next requests, too.
  void DropConnections(const std::string& cause);

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  struct Timer {
    Id id;
    std::function<void()> task;
  };
  struct FreeMulti {
    void operator()(void* multi) const;
  };
  using MultiHandle = std::unique_ptr<void, FreeMulti>;

  ApiClient(ApiAccess access, std::string user_agent, UniqueFd wake);

  static MultiHandle NewMulti();
  void Loop();
  void Wake() const;
  // False when the end has come.
  bool RunPosted();
  void RunTimers();
  void RemoveAbandoned();
  bool MayStart() const;
  void StartNew();
  void Transfer();
  void Conclude(ApiExchange* exchange, int code);
  void WaitForWork();
  absl::Status Start(ApiExchange& exchange, const std::string& token);
  void End(Id id, absl::StatusOr<ApiAnswer> result);
  void EndAll(const absl::Status& status);
  void EndNew(const absl::Status& status);
  // The token for a request that begins now; "" for none.
  std::string CurrentToken();

  const UniqueFd wake_;  // eventfd: something was posted

  // Only the client's thread.
  ApiExchange::Common common_;
  std::string last_token_;  // for when the file cannot be read
  Id last_id_ = 0;
  MultiHandle multi_;  // before the exchanges, whose handles are in it
  std::map<Id, std::unique_ptr<ApiExchange>> exchanges_;
  std::deque<Id> new_;         // not yet started
  Id opening_ = 0;             // not answered yet, and so is nobody
  std::vector<Id> abandoned_;  // to be taken out of the multi handle
  std::multimap<SteadyTime, Timer> timers_;

  mutable Mutex mu_;
  CondVar over_cv_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mu_);
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;  // the thread

  std::thread thread_;  // last: uses all of the above
};

}  // namespace oneagent

#endif  // CACHE_KUBE_API_CLIENT_H_
