#include "tests/support/sidecars.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "proto/pluginregistration.grpc.pb.h"
#include "tests/support/csi_client.h"

namespace oneagent {
namespace {

constexpr absl::Duration kGetPluginInfoTimeout = absl::Seconds(1);
constexpr absl::Duration kProbeTimeout = absl::Seconds(3);

class RegistrationServer final
    : public ::pluginregistration::Registration::Service {
 public:
  explicit RegistrationServer(const ::pluginregistration::PluginInfo& info)
      : info_(info) {}

  grpc::Status GetInfo(grpc::ServerContext* /*context*/,
                       const ::pluginregistration::InfoRequest* /*request*/,
                       ::pluginregistration::PluginInfo* response) override {
    *response = info_;
    return grpc::Status::OK;
  }
  grpc::Status NotifyRegistrationStatus(
      grpc::ServerContext* /*context*/,
      const ::pluginregistration::RegistrationStatus* request,
      ::pluginregistration::RegistrationStatusResponse* /*response*/) override {
    if (!request->plugin_registered()) refused_ = true;
    return grpc::Status::OK;
  }

  bool refused() const { return refused_; }

 private:
  const ::pluginregistration::PluginInfo info_;
  std::atomic<bool> refused_ = false;
};

// What both of them ask first.
absl::StatusOr<std::string> AskName(const std::string& csi_address) {
  TestCsiClient csi(csi_address, TestCsiClient::Connections::kOnePerCall);
  csi.SetTimeout(kGetPluginInfoTimeout);
  ASSIGN_OR_RETURN(const CsiPluginInfo info, csi.GetPluginInfo());
  if (info.name.empty()) return absl::InternalError("driver name is empty");
  return info.name;
}

bool CanConnect(const std::string& csi_address, absl::Duration within) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel(absl::StrCat("unix:", csi_address),
                                   grpc::InsecureChannelCredentials(),
                                   arguments)
      ->WaitForConnected(absl::ToChronoTime(absl::Now() + within));
}

}  // namespace

struct NodeDriverRegistrar::State {
  State(std::string path, const ::pluginregistration::PluginInfo& info)
      : socket(std::move(path)), service(info) {}

  const std::string socket;
  RegistrationServer service;
  std::unique_ptr<grpc::Server> server;
};

absl::StatusOr<std::unique_ptr<NodeDriverRegistrar>> NodeDriverRegistrar::Start(
    const Options& options) {
  if (!CanConnect(options.csi_address, options.connect_for)) {
    return absl::DeadlineExceededError("connecting to the driver");
  }
  ASSIGN_OR_RETURN(const std::string name, AskName(options.csi_address));
  ::pluginregistration::PluginInfo info;
  info.set_type("CSIPlugin");
  info.set_name(name);
  info.set_endpoint(options.kubelet_registration_path);
  info.add_supported_versions("1.0.0");
  auto state = std::make_unique<State>(
      absl::StrCat(options.plugin_registration_path, "/", name, "-reg.sock"),
      info);
  unlink(state->socket.c_str());
  const mode_t old = umask(0077);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("unix:", state->socket),
                           grpc::InsecureServerCredentials());
  builder.RegisterService(&state->service);
  state->server = builder.BuildAndStart();
  umask(old);
  if (state->server == nullptr) {
    return absl::InternalError("registration server did not start");
  }
  return absl::WrapUnique(new NodeDriverRegistrar(std::move(state)));
}

NodeDriverRegistrar::NodeDriverRegistrar(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

NodeDriverRegistrar::~NodeDriverRegistrar() {
  state_->server->Shutdown(absl::ToChronoTime(absl::Now()));
  unlink(state_->socket.c_str());
}

bool NodeDriverRegistrar::HasBeenRefused() const {
  return state_->service.refused();
}

absl::StatusOr<std::unique_ptr<LivenessProbe>> LivenessProbe::Start(
    const std::string& csi_address) {
  while (!CanConnect(csi_address, absl::Seconds(1))) {
  }
  RETURN_IF_ERROR(AskName(csi_address).status());
  return absl::WrapUnique(new LivenessProbe(csi_address));
}

LivenessProbe::LivenessProbe(std::string csi_address)
    : csi_address_(std::move(csi_address)) {}

int LivenessProbe::Healthz() const {
  TestCsiClient csi(csi_address_, TestCsiClient::Connections::kOnePerCall);
  csi.SetTimeout(kProbeTimeout);
  const absl::StatusOr<bool> ready = csi.Probe();
  return ready.ok() && *ready ? 200 : 500;
}

}  // namespace oneagent
