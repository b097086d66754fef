// A real etcd and kube-apiserver for one test program, in a network of its own,
// with RBAC and nothing that allows what RBAC does not; kubectl beside them.
//
//   KubeApiServer server;                       // some seconds
//   server.Apply("apiVersion: v1\nkind: Namespace\n…");
//   const std::string token = server.CreateToken("ns", "account");
//   RunMyProgram(server.WriteKubeconfig({.name = "me", .token = token}));
//   server.KillApiServer(); …; server.StartApiServer();
//
// There is no controller manager: nothing makes service accounts, nothing
// deletes the content of namespaces. The programs are built by `./dev test`;
// without them the process aborts with a line that says so. Everything is ended
// by the destructor. Not thread-safe, but for Kubectl.
#ifndef TESTS_SUPPORT_KUBE_API_SERVER_H_
#define TESTS_SUPPORT_KUBE_API_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

struct KubeconfigOptions {
  std::string name;             // tells it apart
  std::string token = {};       // or
  std::string token_file = {};  // a path
  std::string url = {};         // empty: the server itself
  std::string ca_pem = {};      // empty: the server's
  std::string namespace_name = "default";
};

class KubeApiServer {
 public:
  // Enters a private network (private_network.h) and starts both.
  KubeApiServer();
  ~KubeApiServer();
  KubeApiServer(const KubeApiServer&) = delete;
  KubeApiServer& operator=(const KubeApiServer&) = delete;

  // "https://127.0.0.1:<port>"; stays the same when the server is restarted.
  std::string url() const;
  int port() const;
  // What clients trust: a file, and its content.
  std::string ca_path() const { return dir_.Path("api.crt"); }
  const std::string& ca_pem() const { return ca_pem_; }

  // At once, as a crash would; then nothing answers at the port.
  void KillApiServer();
  // Answers when it returns.
  void StartApiServer();
  // Etcd forgets every version but the newest. A server that is started then
  // answers 410 to a watch from before.
  void CompactHistory();

  // Runs kubectl as cluster administrator. Thread-safe.
  ProgramResult Kubectl(const std::vector<std::string>& words) const;
  // What kubectl writes; a test failure when it fails.
  std::string MustKubectl(const std::vector<std::string>& words) const;
  // `kubectl apply` of manifests; a test failure when it fails.
  void Apply(absl::string_view yaml);
  void ApplyFile(const std::string& path) const;
  // With the service account that pods need.
  void CreateNamespace(const std::string& name);
  // `count` Secrets of half a KiB, "<prefix>-0" and so on, without kubectl.
  void CreateSecrets(const std::string& namespace_name,
                     const std::string& prefix, int count) const;
  // A token of a service account, by TokenRequest, for ten minutes: the server
  // grants no shorter one. Its life ends before, and within a quarter of a
  // minute, with the Secret that it is `bound_to`, if any.
  std::string CreateToken(const std::string& namespace_name,
                          const std::string& account,
                          const std::string& bound_to = "") const;
  // Waits until this token is accepted no more.
  void AwaitRefused(const std::string& token) const;
  // A kubeconfig; its path.
  std::string WriteKubeconfig(const KubeconfigOptions& options);

  // Sum of apiserver_request_total over all series with all of `labels`
  // (`resource="dynakubes"`).
  int64_t CountRequests(const std::vector<std::string>& labels = {}) const;
  // What service accounts have asked for so far, by the audit log: one URI for
  // each request, also for those that go on.
  std::vector<std::string> AskedByAccounts() const;
  // The server's own metrics.
  std::string Metrics() const;
  std::string Log() const;

 private:
  void StartEtcd();

  TempDir dir_;
  std::string ca_pem_;
  std::string admin_kubeconfig_;
  std::unique_ptr<Daemon> etcd_;
  std::unique_ptr<Daemon> api_;
  int manifests_ = 0;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_KUBE_API_SERVER_H_
