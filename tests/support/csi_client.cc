#include "tests/support/csi_client.h"

#include <grpcpp/grpcpp.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "csi/grpc_status.h"
#include "proto/csi.grpc.pb.h"

namespace oneagent {
namespace {

using ::csi::v1::Identity;
using ::csi::v1::Node;
using ::csi::v1::NodeServiceCapability;
using ::csi::v1::VolumeCapability;
using ::csi::v1::VolumeUsage;

// What an infinite duration saturates to.
constexpr int64_t kNoTimeout = std::numeric_limits<int64_t>::max();

std::shared_ptr<grpc::Channel> Connect(const std::string& socket_path,
                                       bool is_own) {
  grpc::ChannelArguments arguments;
  // What kubelet sends.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  if (is_own) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A test that restarts the server does not want to wait a second.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  // This is also how long a connection may take to be made.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel(absl::StrCat("unix:", socket_path),
                                   grpc::InsecureChannelCredentials(),
                                   arguments);
}

void FillCapability(const CsiPublishCall& call,
                    ::csi::v1::NodePublishVolumeRequest* request) {
  const CsiPublishCall::Capability capability = call.capability;
  if (capability == CsiPublishCall::Capability::kMissing) return;
  VolumeCapability* const out = request->mutable_volume_capability();
  out->mutable_access_mode()->set_mode(
      VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
  if (capability == CsiPublishCall::Capability::kMount) {
    out->mutable_mount()->set_fs_type(call.fs_type);
    out->mutable_mount()->mutable_mount_flags()->Assign(
        call.mount_flags.begin(), call.mount_flags.end());
  }
  if (capability == CsiPublishCall::Capability::kBlock) out->mutable_block();
}

::csi::v1::NodePublishVolumeRequest MessageOf(const CsiPublishCall& call) {
  ::csi::v1::NodePublishVolumeRequest request;
  request.set_volume_id(call.volume_id);
  request.set_target_path(call.target_path);
  request.set_readonly(call.read_only);
  FillCapability(call, &request);
  request.mutable_volume_context()->insert(call.context.begin(),
                                           call.context.end());
  request.mutable_secrets()->insert(call.secrets.begin(), call.secrets.end());
  return request;
}

CsiUsage UsageOf(const VolumeUsage& usage) {
  return {.used = usage.used(),
          .total = usage.total(),
          .available = usage.available()};
}

}  // namespace

std::string KubeletVolumeId(const std::string& pod_uid,
                            const std::string& volume_name) {
  return absl::StrCat("csi-", Sha256Hex(absl::StrCat(pod_uid, volume_name)));
}

std::string KubeletTarget(const std::string& kubelet_dir, const CsiPod& pod,
                          const std::string& volume_name) {
  return absl::StrCat(kubelet_dir, "/pods/", pod.uid,
                      "/volumes/kubernetes.io~csi/", volume_name, "/mount");
}

CsiPublishCall KubeletPublishCall(
    const std::string& kubelet_dir, const CsiPod& pod,
    const std::string& volume_name,
    const std::map<std::string, std::string>& attributes) {
  CsiPublishCall call;
  call.volume_id = KubeletVolumeId(pod.uid, volume_name);
  call.target_path = KubeletTarget(kubelet_dir, pod, volume_name);
  call.context = attributes;
  call.context["csi.storage.k8s.io/pod.name"] = pod.name;
  call.context["csi.storage.k8s.io/pod.namespace"] = pod.namespace_name;
  call.context["csi.storage.k8s.io/pod.uid"] = pod.uid;
  call.context["csi.storage.k8s.io/serviceAccount.name"] = pod.service_account;
  call.context["csi.storage.k8s.io/ephemeral"] = "true";
  return call;
}

std::string SerializedPublish(const CsiPublishCall& call) {
  return MessageOf(call).SerializeAsString();
}

std::string SerializedUnpublish(const std::string& volume_id,
                                const std::string& target_path) {
  ::csi::v1::NodeUnpublishVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_target_path(target_path);
  return request.SerializeAsString();
}

void MakeKubeletDirs(const std::string& target_path) {
  const size_t end = target_path.rfind('/');
  for (size_t slash = target_path.find('/', 1);
       slash != std::string::npos && slash <= end;
       slash = target_path.find('/', slash + 1)) {
    const std::string parent = target_path.substr(0, slash);
    if (mkdir(parent.c_str(), 0750) != 0 && errno != EEXIST) {
      std::perror(parent.c_str());
      std::abort();
    }
  }
}

struct TestCsiClient::State {
  // One call of `method` on a stub of `Service`.
  template <typename Service, typename Stub, typename Request,
            typename Response>
  absl::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response) {
    const std::shared_ptr<grpc::Channel> used =
        channel != nullptr ? channel : Connect(socket_path, /*is_own=*/true);
    grpc::ClientContext context;
    const int64_t limit_ms = timeout_ms;
    if (limit_ms != kNoTimeout) {
      context.set_deadline(
          absl::ToChronoTime(absl::Now() + absl::Milliseconds(limit_ms)));
    }
    typename Service::Stub stub(used);
    {
      MutexLock lock(mu);
      under_way.insert(&context);
    }
    const grpc::Status status = (stub.*method)(&context, request, response);
    MutexLock lock(mu);
    under_way.erase(&context);
    return FromGrpcStatus(status);
  }

  std::string socket_path;
  std::shared_ptr<grpc::Channel> channel;  // shared with gRPC; null: own ones
  std::atomic<int64_t> timeout_ms{120'000};
  Mutex mu;
  std::set<grpc::ClientContext*> under_way ABSL_GUARDED_BY(mu);
};

TestCsiClient::TestCsiClient(std::string socket_path, Connections connections)
    : state_(std::make_unique<State>()) {
  state_->socket_path = std::move(socket_path);
  if (connections == Connections::kOne) {
    state_->channel = Connect(state_->socket_path, /*is_own=*/true);
  }
}

TestCsiClient::~TestCsiClient() = default;

void TestCsiClient::SetTimeout(absl::Duration timeout) {
  state_->timeout_ms = absl::ToInt64Milliseconds(timeout);
}

void TestCsiClient::CancelAll() {
  MutexLock lock(state_->mu);
  for (grpc::ClientContext* const context : state_->under_way) {
    context->TryCancel();
  }
}

absl::Status TestCsiClient::Publish(const CsiPublishCall& call) {
  ::csi::v1::NodePublishVolumeResponse response;
  return state_->Call<Node>(&Node::Stub::NodePublishVolume, MessageOf(call),
                            &response);
}

absl::Status TestCsiClient::Unpublish(const std::string& volume_id,
                                      const std::string& target_path) {
  ::csi::v1::NodeUnpublishVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_target_path(target_path);
  ::csi::v1::NodeUnpublishVolumeResponse response;
  return state_->Call<Node>(&Node::Stub::NodeUnpublishVolume, request,
                            &response);
}

absl::StatusOr<CsiVolumeStats> TestCsiClient::GetVolumeStats(
    const std::string& volume_id, const std::string& volume_path) {
  ::csi::v1::NodeGetVolumeStatsRequest request;
  request.set_volume_id(volume_id);
  request.set_volume_path(volume_path);
  ::csi::v1::NodeGetVolumeStatsResponse response;
  RETURN_IF_ERROR(
      state_->Call<Node>(&Node::Stub::NodeGetVolumeStats, request, &response));
  CsiVolumeStats stats;
  for (const VolumeUsage& usage : response.usage()) {
    if (usage.unit() == VolumeUsage::BYTES) stats.bytes = UsageOf(usage);
    if (usage.unit() == VolumeUsage::INODES) stats.inodes = UsageOf(usage);
  }
  stats.is_abnormal = response.volume_condition().abnormal();
  stats.condition = response.volume_condition().message();
  return stats;
}

absl::StatusOr<bool> TestCsiClient::Probe() {
  ::csi::v1::ProbeResponse response;
  RETURN_IF_ERROR(state_->Call<Identity>(&Identity::Stub::Probe,
                                         ::csi::v1::ProbeRequest(), &response));
  // Absent means ready.
  return !response.has_ready() || response.ready().value();
}

absl::StatusOr<CsiPluginInfo> TestCsiClient::GetPluginInfo() {
  ::csi::v1::GetPluginInfoResponse response;
  RETURN_IF_ERROR(state_->Call<Identity>(&Identity::Stub::GetPluginInfo,
                                         ::csi::v1::GetPluginInfoRequest(),
                                         &response));
  return CsiPluginInfo{.name = response.name(),
                       .vendor_version = response.vendor_version()};
}

absl::StatusOr<int> TestCsiClient::CountPluginCapabilities() {
  ::csi::v1::GetPluginCapabilitiesResponse response;
  RETURN_IF_ERROR(state_->Call<Identity>(
      &Identity::Stub::GetPluginCapabilities,
      ::csi::v1::GetPluginCapabilitiesRequest(), &response));
  return response.capabilities_size();
}

absl::StatusOr<std::string> TestCsiClient::GetNodeId() {
  ::csi::v1::NodeGetInfoResponse response;
  RETURN_IF_ERROR(state_->Call<Node>(
      &Node::Stub::NodeGetInfo, ::csi::v1::NodeGetInfoRequest(), &response));
  return response.node_id();
}

absl::StatusOr<std::vector<std::string>> TestCsiClient::GetNodeCapabilities() {
  ::csi::v1::NodeGetCapabilitiesResponse response;
  RETURN_IF_ERROR(state_->Call<Node>(&Node::Stub::NodeGetCapabilities,
                                     ::csi::v1::NodeGetCapabilitiesRequest(),
                                     &response));
  std::vector<std::string> names;
  for (const NodeServiceCapability& capability : response.capabilities()) {
    names.push_back(
        NodeServiceCapability::RPC::Type_Name(capability.rpc().type()));
  }
  return names;
}

absl::Status TestCsiClient::Stage(const std::string& volume_id) {
  ::csi::v1::NodeStageVolumeRequest request;
  request.set_volume_id(volume_id);
  ::csi::v1::NodeStageVolumeResponse response;
  return state_->Call<Node>(&Node::Stub::NodeStageVolume, request, &response);
}

absl::Status TestCsiClient::Unstage(const std::string& volume_id) {
  ::csi::v1::NodeUnstageVolumeRequest request;
  request.set_volume_id(volume_id);
  ::csi::v1::NodeUnstageVolumeResponse response;
  return state_->Call<Node>(&Node::Stub::NodeUnstageVolume, request, &response);
}

absl::Status TestCsiClient::Expand(const std::string& volume_id) {
  ::csi::v1::NodeExpandVolumeRequest request;
  request.set_volume_id(volume_id);
  ::csi::v1::NodeExpandVolumeResponse response;
  return state_->Call<Node>(&Node::Stub::NodeExpandVolume, request, &response);
}

}  // namespace oneagent
