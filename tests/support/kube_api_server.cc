#include "tests/support/kube_api_server.h"

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "httplib.h"
#include "tests/support/private_network.h"
#include "tests/support/self_signed.h"

namespace oneagent {
namespace {

// The network is ours alone, and so are its ports.
constexpr int kApiPort = 6443;
constexpr int kEtcdPort = 2379;
constexpr int kEtcdPeerPort = 2380;
constexpr char kEtcd[] = "/usr/bin/etcd";
constexpr char kAdminToken[] = "token-of-the-administrator";
constexpr absl::Duration kLongestStart = absl::Seconds(120);

std::string Program(absl::string_view name) {
  const std::string path = absl::StrCat(ONEAGENT_KUBE_PROGRAMS, "/", name);
  if (access(path.c_str(), X_OK) != 0) {
    std::cerr << path << ": is not there; ./dev test builds it\n";
    abort();
  }
  return path;
}

std::string Loopback(absl::string_view scheme, int port) {
  return absl::StrCat(scheme, "://127.0.0.1:", port);
}

// Aborts, showing `log`, when it does not come about.
void Await(absl::string_view what, Daemon& daemon,
           const std::function<bool()>& is_there) {
  const absl::Time end = absl::Now() + kLongestStart;
  while (!is_there()) {
    if (absl::Now() > end || !daemon.IsRunning()) {
      std::cerr << what << ": does not answer\n" << daemon.Log();
      abort();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

// The answer's body; "" when there is none.
std::string AskEtcd(const std::string& path, const std::string& question) {
  httplib::Client client("127.0.0.1", kEtcdPort);
  const httplib::Result answer = client.Post(path, question, "text/json");
  return answer != nullptr && answer->status == 200 ? answer->body : "";
}

}  // namespace

KubeApiServer::KubeApiServer() {
  EnterPrivateNetwork();
  const SelfSigned identity = MakeSelfSigned();
  ca_pem_ = identity.pem;
  dir_.WriteFile("api.crt", identity.pem);
  dir_.WriteFile("api.key", identity.key_pem);
  const SelfSigned accounts = MakeSelfSigned();
  dir_.WriteFile("accounts.crt", accounts.pem);
  dir_.WriteFile("accounts.key", accounts.key_pem);
  dir_.WriteFile("tokens.csv",
                 absl::StrCat(kAdminToken, ",admin,admin,system:masters\n"));
  // Who asked for what, without bodies.
  dir_.WriteFile("audit.yaml",
                 "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
                 "omitStages: [ResponseStarted, ResponseComplete, Panic]\n"
                 "rules: [{level: Metadata}]\n");
  admin_kubeconfig_ = WriteKubeconfig({.name = "admin", .token = kAdminToken});
  StartEtcd();
  StartApiServer();
}

KubeApiServer::~KubeApiServer() {
  if (testing::Test::HasFatalFailure()) std::cerr << Log();
}

std::string KubeApiServer::url() const { return Loopback("https", port()); }

int KubeApiServer::port() const { return kApiPort; }

void KubeApiServer::StartEtcd() {
  const std::string clients = Loopback("http", kEtcdPort);
  const std::string peers = Loopback("http", kEtcdPeerPort);
  etcd_ = std::make_unique<Daemon>(
      std::vector<std::string>{
          kEtcd, "--data-dir", dir_.Path("etcd"), "--listen-client-urls",
          clients, "--advertise-client-urls", clients, "--listen-peer-urls",
          peers, "--initial-advertise-peer-urls", peers, "--initial-cluster",
          absl::StrCat("default=", peers), "--logger", "zap", "--log-outputs",
          "stderr"},
      dir_.Path("etcd.log"));
  Await("etcd", *etcd_,
        [] { return !AskEtcd("/v3/maintenance/status", "{}").empty(); });
}

void KubeApiServer::StartApiServer() {
  api_ = nullptr;
  api_ = std::make_unique<Daemon>(
      std::vector<std::string>{
          Program("kube-apiserver"),
          absl::StrCat("--etcd-servers=", Loopback("http", kEtcdPort)),
          "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
          absl::StrCat("--secure-port=", kApiPort),
          "--endpoint-reconciler-type=none",
          // As in every cluster that has CSI drivers.
          "--allow-privileged=true", "--service-cluster-ip-range=10.96.0.0/24",
          absl::StrCat("--tls-cert-file=", ca_path()),
          absl::StrCat("--tls-private-key-file=", dir_.Path("api.key")),
          absl::StrCat("--audit-policy-file=", dir_.Path("audit.yaml")),
          absl::StrCat("--audit-log-path=", dir_.Path("audit.log")),
          "--authorization-mode=RBAC",
          absl::StrCat("--token-auth-file=", dir_.Path("tokens.csv")),
          absl::StrCat("--service-account-issuer=", url()),
          absl::StrCat("--service-account-key-file=",
                       dir_.Path("accounts.crt")),
          absl::StrCat("--service-account-signing-key-file=",
                       dir_.Path("accounts.key"))},
      dir_.Path("api.log"));
  // The roles that every server has are made a moment after it answers.
  Await("kube-apiserver", *api_, [this] {
    return Kubectl({"get", "--raw", "/readyz"}).exit_code == 0;
  });
}

void KubeApiServer::KillApiServer() { api_->Kill(); }

void KubeApiServer::CompactHistory() {
  const std::string state = AskEtcd("/v3/maintenance/status", "{}");
  const std::string key = "\"revision\":\"";
  const size_t at = state.find(key);
  ASSERT_NE(at, std::string::npos) << state;
  const std::string revision = state.substr(
      at + key.size(), state.find('"', at + key.size()) - at - key.size());
  EXPECT_NE(
      AskEtcd("/v3/kv/compaction", absl::StrCat("{\"revision\": \"", revision,
                                                "\", \"physical\": true}")),
      "")
      << "etcd was compacted to " << revision << " already";
}

ProgramResult KubeApiServer::Kubectl(
    const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {
      Program("kubectl"), absl::StrCat("--kubeconfig=", admin_kubeconfig_),
      // What it finds out about the server, and keeps, changes in the tests.
      absl::StrCat("--cache-dir=", dir_.Path("kubectl-cache"))};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunProgram(argv);
}

std::string KubeApiServer::MustKubectl(
    const std::vector<std::string>& words) const {
  const ProgramResult result = Kubectl(words);
  EXPECT_EQ(result.exit_code, 0) << words[0] << ": " << result.err;
  return result.out;
}

void KubeApiServer::Apply(absl::string_view yaml) {
  ApplyFile(
      dir_.WriteFile(absl::StrCat("manifest-", ++manifests_, ".yaml"), yaml));
}

void KubeApiServer::ApplyFile(const std::string& path) const {
  MustKubectl({"apply", "-f", path});
}

void KubeApiServer::CreateNamespace(const std::string& name) {
  Apply(absl::StrCat("apiVersion: v1\nkind: Namespace\nmetadata: {name: ", name,
                     "}\n---\napiVersion: v1\nkind: ServiceAccount\n"
                     "metadata: {name: default, namespace: ",
                     name, "}\n"));
}

void KubeApiServer::CreateSecrets(const std::string& namespace_name,
                                  const std::string& prefix, int count) const {
  httplib::SSLClient client("127.0.0.1", kApiPort);
  client.set_ca_cert_path(ca_path().c_str());
  client.set_bearer_token_auth(kAdminToken);
  client.set_keep_alive(true);
  client.set_tcp_nodelay(true);
  for (int i = 0; i < count; ++i) {
    const httplib::Result answer = client.Post(
        absl::StrCat("/api/v1/namespaces/", namespace_name, "/secrets"),
        absl::StrCat(R"({"metadata":{"name":")", prefix, "-", i,
                     R"("},"stringData":{"x":")", std::string(512, 'x'),
                     R"("}})"),
        "application/json");
    ASSERT_TRUE(answer != nullptr && answer->status == 201) << prefix << i;
  }
}

std::string KubeApiServer::CreateToken(const std::string& namespace_name,
                                       const std::string& account,
                                       const std::string& bound_to) const {
  std::vector<std::string> words = {"create", "token",        account,
                                    "-n",     namespace_name, "--duration=10m"};
  if (!bound_to.empty()) {
    words.insert(words.end(), {"--bound-object-kind=Secret",
                               absl::StrCat("--bound-object-name=", bound_to)});
  }
  return std::string(absl::StripSuffix(MustKubectl(words), "\n"));
}

void KubeApiServer::AwaitRefused(const std::string& token) const {
  httplib::SSLClient client("127.0.0.1", kApiPort);
  client.set_ca_cert_path(ca_path().c_str());
  client.set_bearer_token_auth(token);
  Await("refusal of a token", *api_, [&] {
    const httplib::Result answer = client.Get("/api");
    return answer != nullptr && answer->status == 401;
  });
}

std::string KubeApiServer::WriteKubeconfig(const KubeconfigOptions& options) {
  const std::string ca =
      options.ca_pem.empty()
          ? ca_path()
          : dir_.WriteFile(absl::StrCat(options.name, ".crt"), options.ca_pem);
  const std::string user =
      options.token_file.empty()
          ? absl::StrCat("token: \"", options.token, "\"")
          : absl::StrCat("tokenFile: ", options.token_file);
  return dir_.WriteFile(
      absl::StrCat(options.name, ".kubeconfig"),
      absl::StrCat("apiVersion: v1\nkind: Config\n"
                   "clusters:\n- name: test\n  cluster:\n    server: ",
                   options.url.empty() ? url() : options.url,
                   "\n    certificate-authority: ", ca,
                   "\nusers:\n- name: test\n  user: {", user,
                   "}\ncontexts:\n- name: test\n"
                   "  context: {cluster: test, user: test, namespace: ",
                   options.namespace_name, "}\ncurrent-context: test\n"));
}

int64_t KubeApiServer::CountRequests(
    const std::vector<std::string>& labels) const {
  int64_t sum = 0;
  for (const absl::string_view line : absl::StrSplit(Metrics(), '\n')) {
    if (!absl::StartsWith(line, "apiserver_request_total{")) continue;
    bool has_all = true;
    for (const std::string& label : labels) {
      has_all = has_all && absl::StrContains(line, label);
    }
    double value = 0;
    const size_t blank = line.rfind(' ');
    if (!has_all || !absl::SimpleAtod(line.substr(blank + 1), &value)) continue;
    sum += static_cast<int64_t>(value);
  }
  return sum;
}

std::vector<std::string> KubeApiServer::AskedByAccounts() const {
  static constexpr absl::string_view kUri = "\"requestURI\":\"";
  std::vector<std::string> uris;
  for (const absl::string_view line :
       absl::StrSplit(ReadTestFile(dir_.Path("audit.log")), '\n')) {
    const size_t at = line.find(kUri);
    if (at == absl::string_view::npos ||
        !absl::StrContains(line, "\"username\":\"system:serviceaccount:")) {
      continue;
    }
    const absl::string_view rest = line.substr(at + kUri.size());
    uris.push_back(absl::StrReplaceAll(rest.substr(0, rest.find('"')),
                                       {{"\\u0026", "&"}}));
  }
  return uris;
}

std::string KubeApiServer::Metrics() const {
  return MustKubectl({"get", "--raw", "/metrics"});
}

std::string KubeApiServer::Log() const { return api_->Log(); }

}  // namespace oneagent
