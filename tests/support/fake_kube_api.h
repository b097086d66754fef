// Plays an API server over HTTP/1.1 on a loopback socket: lists in pages, gets,
// watches with bookmarks, discovery, and every fault that a client of a real
// one meets. Stops with its destructor. Thread-safe.
//
//   FakeKubeApi api;
//   api.Put("/api/v1/namespaces/ns/secrets", R"({"metadata":{"name":"a"}})");
//   ... ApiAccess{.server = api.url(), .token = kKubeApiToken}
//   api.CutWatches();
//   EXPECT_EQ(api.CountRequests("watch=true"), 2);
#ifndef TESTS_SUPPORT_FAKE_KUBE_API_H_
#define TESTS_SUPPORT_FAKE_KUBE_API_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "tests/support/self_signed.h"

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace oneagent {

inline constexpr char kKubeApiToken[] = "KUBE.TOKEN.UNDERTEST";

// What happens to a request instead of, or to, its proper answer.
struct KubeFault {
  enum class Kind {
    kStatus,  // `status` with a Status body
    kBody,    // `body_status` with `body`, then the end
    kCut,     // connection closed after `after_bytes` of the body
    kStall,   // silent after `after_bytes` of the body, until the end
  };
  Kind kind = Kind::kStatus;
  std::string part = {};  // in the request's target (path and query)
  int times = 1;          // requests it befalls; -1: all
  int status = 503;
  std::string reason = {};       // of the Status
  std::string retry_after = {};  // header, when not empty
  std::string body = {};
  int body_status = 200;
  int64_t after_bytes = 0;
};

struct KubeRequest {
  std::string method;
  std::string target;  // as sent, with the query
  std::string authorization;
  std::string content_type;
  std::string body;
  absl::Time at;
};

class FakeKubeApi {
 public:
  struct Options {
    bool tls = false;
    int port = 0;  // 0: a free one
    // Whole objects in a page at most, whatever is asked for; 0: no limit.
    int page_limit = 0;
  };
  // Serves when this returns. Aborts when the port cannot be had.
  explicit FakeKubeApi(Options options);
  FakeKubeApi() : FakeKubeApi(Options()) {}
  ~FakeKubeApi();
  FakeKubeApi(const FakeKubeApi&) = delete;
  FakeKubeApi& operator=(const FakeKubeApi&) = delete;

  int port() const { return port_; }
  std::string url() const;
  const std::string& ca_pem() const { return identity_.pem; }  // with tls only

  // Adds or replaces an object of a collection (a path; of dynatrace.com in
  // whatever version); gives it the next resource version and tells the
  // watches.
  void Put(const std::string& collection, const std::string& json);
  void Delete(const std::string& collection, const std::string& name);
  // Versions up to now are gone: a watch or a page from an older one gets 410.
  void Compact();
  // Only this one is let in.
  void SetToken(std::string token);
  // Served versions of dynatrace.com, preferred one first; none, or another
  // one: 404.
  void SetVersions(std::vector<std::string> versions);

  void SendBookmarks();
  // Every open watch gets these bytes, or is closed in the middle of a chunk.
  void SendRaw(const std::string& bytes);
  // Waits until no stream has any of them before it: what is put now comes
  // after them everywhere.
  void AwaitRawSent();
  void CutWatches();
  // Of several faults that fit, the first one that has requests left is used.
  void AddFault(KubeFault fault);
  void ClearFaults();
  // Nobody is served any more, connections are refused; served again, at the
  // same port.
  void SetAway(bool is_away);
  // Called on the serving thread before a request is answered; may wait.
  void SetHook(std::function<void(const KubeRequest&)> hook);

  std::vector<KubeRequest> Requests() const;
  int CountRequests(absl::string_view part) const;
  // Of these, the watches.
  int CountWatches(absl::string_view part) const;
  int OpenWatches(absl::string_view part) const;

 private:
  struct Event {
    int64_t version;
    std::string collection;
    std::string name;
    std::string line;
  };
  // What one watch has been told.
  struct Watch {
    std::string target;
    std::string collection;
    std::string name;  // empty: all
    int64_t version = 0;
    bool wants_bookmarks = false;
    std::string raw;  // to be sent as it is
    bool cut = false;
    absl::Time end;
  };
  // An answer's bytes, with a fault on the way.
  struct Turn {
    bool is_faulty = false;
    KubeFault fault;
  };

  void Listen(int port);
  void StopListening();
  void Handle(const httplib::Request& request, httplib::Response& response);
  Turn Begin(const httplib::Request& request);
  void Route(const httplib::Request& request, const Turn& turn,
             httplib::Response& response);
  bool IsServed(const std::string& path) const;
  void Answer(int status, std::string body, const Turn& turn,
              httplib::Response& response);
  void Refuse(int status, const std::string& reason, const std::string& message,
              const Turn& turn, httplib::Response& response);
  void List(const httplib::Request& request, const Turn& turn,
            httplib::Response& response);
  void StartWatch(const httplib::Request& request, const Turn& turn,
                  httplib::Response& response);
  // What this watch has to be told now; waits for it. False at its end.
  bool NextBytes(Watch& watch, std::string* bytes, bool* is_cut);
  void WaitForEnd();

  const Options options_;
  SelfSigned identity_;  // with tls only
  int port_ = 0;
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;

  mutable Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t version_ ABSL_GUARDED_BY(mu_) = 100;
  int64_t oldest_ ABSL_GUARDED_BY(mu_) = 0;
  std::string token_ ABSL_GUARDED_BY(mu_) = kKubeApiToken;
  std::vector<std::string> versions_ ABSL_GUARDED_BY(mu_) = {"v1beta5"};
  // By collection and name.
  std::map<std::string, std::map<std::string, std::string>> objects_
      ABSL_GUARDED_BY(mu_);
  std::vector<Event> events_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mu_);
  std::vector<KubeFault> faults_ ABSL_GUARDED_BY(mu_);
  std::function<void(const KubeRequest&)> hook_ ABSL_GUARDED_BY(mu_);
  std::vector<KubeRequest> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_FAKE_KUBE_API_H_
