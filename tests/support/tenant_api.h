// A tenant's deployment API on a real loopback socket: versions, agent zips
// with Range and ETag, connectioninfo, processmoduleconfig, and every fault a
// network has to offer. Stops with its destructor. Thread-safe.
//
//   TenantApiServer server;                      // http, a free port
//   server.Update([&](ServedTenant& state) {
//     state.agents["1.300.0.20260101-000000"].bytes = zip;
//   });
//   server.AddFault("/version/", Fault::Cut(/*after_bytes=*/1000));
//   ... TenantAccess{.api_url = server.api_url(), .token = kTenantApiToken}
//   EXPECT_EQ(server.CountRequests("/version/"), 2);
//
// Every connection serves one request. An API token goes as
// "Authorization: Api-Token <token>"; any other is answered by 401.
#ifndef TESTS_SUPPORT_TENANT_API_H_
#define TESTS_SUPPORT_TENANT_API_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/mutex.h"

namespace httplib {
class Server;
struct Request;
struct Response;
}  // namespace httplib

namespace oneagent {

inline constexpr char kTenantApiToken[] = "dt0c01.UNDERTEST.SECRETPART";

struct TenantAgent {
  std::string bytes;  // the archive, or
  std::string path;   // a file that is read at each request
};

struct TenantProperty {
  std::string section;
  std::string key;
  std::string value;
};

// What the tenant knows. Plain values with defaults that work.
struct ServedTenant {
  std::string token = kTenantApiToken;
  std::map<std::string, TenantAgent> agents;  // by version
  std::string latest;                         // empty: the last one of `agents`
  bool etags = true;

  std::string tenant_uuid = "abc12345";
  std::string tenant_token = "TENANTTOKENUNDERTEST";
  std::vector<std::string> endpoints = {"https://tenant.example.test:443"};
  std::vector<std::string> network_zones;  // any other one: 400

  bool has_process_config = true;  // false: 404, as old tenants
  int64_t revision = 1;
  // Empty ones beside a revision are a fault of the server's.
  std::vector<TenantProperty> properties = {{"general", "served", "yes"}};
};

// What happens to a request instead of, or to, its proper answer.
struct Fault {
  enum class Kind {
    kStatus,         // `status` with an API error body
    kCut,            // connection closed after `after_bytes` of the body
    kStall,          // silent after `after_bytes` of the body, until the end
    kWrongLength,    // Content-Length that is `after_bytes` more than the body
    kBody,           // 200 with `body`
    kIgnoreRange,    // the whole content with 200
    kIgnoreIfRange,  // the part of a content that has changed
    kWrongRange,     // 206 with a Content-Range that was not asked for
    kRedirect,       // 302 to `location`
    kHugeHeader,     // `after_bytes` of header before the proper body
    kNoLength,       // body without Content-Length, ended by closing
  };
  Kind kind = Kind::kStatus;
  int times = 1;  // requests it befalls; -1: all
  int status = 503;
  std::string retry_after = {};  // header, when not empty
  int64_t after_bytes = 0;
  std::string body = {};
  std::string location = {};
  std::string content_type = {};      // kBody's, when not empty
  std::string content_encoding = {};  // likewise

  static Fault Status(int status, std::string retry_after = "", int times = 1);
  static Fault Cut(int64_t after_bytes, int times = 1);
  static Fault Stall(int64_t after_bytes, int times = 1);
  static Fault WrongLength(int64_t surplus, int times = 1);
  static Fault Body(std::string body, int status = 200, int times = 1);
  static Fault IgnoreRange(int times = 1);
  static Fault IgnoreIfRange(int times = 1);
  static Fault WrongRange(int times = 1);
  static Fault Redirect(std::string location, int times = 1);
  static Fault HugeHeader(int64_t bytes, int times = 1);
  static Fault NoLength(int times = 1);
};

struct SeenRequest {
  std::string method;
  std::string path;                                      // without the query
  std::string target;                                    // with it, as sent
  std::multimap<std::string, std::string> headers = {};  // names in lower case

  // First header of that lower-case name; "" when there is none.
  std::string Header(absl::string_view name) const;
};

struct TenantApiOptions {
  bool tls = false;
  std::string address = "127.0.0.1";
  int port = 0;                  // 0: a free one
  int64_t bytes_per_second = 0;  // of agent archives; 0: no limit
  // Set: called at each request for the state (Update has no effect then).
  std::function<ServedTenant()> load = {};
};

class TenantApiServer {
 public:
  // Serves when this returns. Aborts when the port cannot be had.
  explicit TenantApiServer(TenantApiOptions options = {});
  ~TenantApiServer();
  TenantApiServer(const TenantApiServer&) = delete;
  TenantApiServer& operator=(const TenantApiServer&) = delete;

  int port() const { return port_; }
  std::string url() const;      // "http://<address>:<port>"
  std::string api_url() const;  // url() + "/e/abc12345/api"
  const std::string& ca_pem() const { return ca_pem_; }  // with tls only

  void Update(const std::function<void(ServedTenant&)>& change);
  // Of several faults whose `path_part` is in a request's path, the first one
  // added that has requests left is used.
  void AddFault(std::string path_part, Fault fault);
  // Also those that have befallen no request yet; who is stalled is let go.
  void ClearFaults();
  // Called on the serving thread before a request is answered; may wait.
  void SetHook(std::function<void(const SeenRequest&)> hook);

  std::vector<SeenRequest> Requests() const;
  int CountRequests(absl::string_view path_part) const;

 private:
  struct PendingFault {
    std::string path_part;
    Fault fault;
  };

  // What one request is answered from.
  struct Turn {
    ServedTenant state;
    bool faulty = false;
    Fault fault;
  };

  void Handle(const httplib::Request& request, httplib::Response& response);
  Turn Begin(const httplib::Request& request);
  void Route(const httplib::Request& request, const Turn& turn,
             httplib::Response& response);
  void ServeAgent(const httplib::Request& request, const Turn& turn,
                  const TenantAgent& agent, httplib::Response& response);
  void Stream(std::string content, const Turn& turn, bool is_archive,
              httplib::Response& response);
  void WaitForEnd();

  const TenantApiOptions options_;
  std::string ca_pem_;
  int port_ = 0;
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;

  mutable Mutex mu_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  ServedTenant state_ ABSL_GUARDED_BY(mu_);
  std::vector<PendingFault> faults_ ABSL_GUARDED_BY(mu_);
  int cleared_ ABSL_GUARDED_BY(mu_) = 0;  // times
  std::function<void(const SeenRequest&)> hook_ ABSL_GUARDED_BY(mu_);
  std::vector<SeenRequest> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_TENANT_API_H_
