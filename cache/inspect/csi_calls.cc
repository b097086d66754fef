#include "cache/inspect/csi_calls.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/csi.grpc.pb.h"

namespace oneagent {
namespace {

// gRPC's codes have the numbers of absl's.
absl::Status AbslStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

}  // namespace

struct CsiClient::Stubs {
  Stubs(const std::shared_ptr<grpc::Channel>& channel, absl::Duration limit)
      : identity(::csi::v1::Identity::NewStub(channel)),
        node(::csi::v1::Node::NewStub(channel)),
        timeout(limit) {}

  // One call of `method` on `stub`.
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
                    const Request& request, Response* response) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    return AbslStatus((stub.*method)(&context, request, response));
  }

  const std::unique_ptr<::csi::v1::Identity::Stub> identity;
  const std::unique_ptr<::csi::v1::Node::Stub> node;
  const absl::Duration timeout;
};

std::unique_ptr<CsiClient> CsiClient::Create(const std::string& socket_path,
                                             absl::Duration timeout) {
  const std::shared_ptr<grpc::Channel> channel = grpc::CreateChannel(
      absl::StrCat("unix:", socket_path), grpc::InsecureChannelCredentials());
  return absl::WrapUnique(
      new CsiClient(std::make_unique<Stubs>(channel, timeout)));
}

CsiClient::CsiClient(std::unique_ptr<Stubs> stubs) : stubs_(std::move(stubs)) {}
CsiClient::~CsiClient() = default;

absl::StatusOr<PluginStatus> CsiClient::Probe() {
  using Identity = ::csi::v1::Identity::Stub;
  using Node = ::csi::v1::Node::Stub;
  ::csi::v1::GetPluginInfoResponse info;
  RETURN_IF_ERROR(stubs_->Call(*stubs_->identity, &Identity::GetPluginInfo,
                               ::csi::v1::GetPluginInfoRequest(), &info));
  ::csi::v1::ProbeResponse probe;
  RETURN_IF_ERROR(stubs_->Call(*stubs_->identity, &Identity::Probe,
                               ::csi::v1::ProbeRequest(), &probe));
  ::csi::v1::NodeGetInfoResponse node;
  RETURN_IF_ERROR(stubs_->Call(*stubs_->node, &Node::NodeGetInfo,
                               ::csi::v1::NodeGetInfoRequest(), &node));
  return PluginStatus{
      .name = info.name(),
      .vendor_version = info.vendor_version(),
      .node_id = node.node_id(),
      // "If not present, the caller SHALL assume that the plugin is ready."
      .ready = !probe.has_ready() || probe.ready().value()};
}

absl::Status CsiClient::Publish(const PublishCall& call) {
  ::csi::v1::NodePublishVolumeRequest request;
  request.set_volume_id(call.volume_id);
  request.set_target_path(call.target);
  request.set_readonly(call.read_only);
  ::csi::v1::VolumeCapability& capability =
      *request.mutable_volume_capability();
  capability.mutable_mount();
  capability.mutable_access_mode()->set_mode(
      ::csi::v1::VolumeCapability::AccessMode::SINGLE_NODE_WRITER);
  for (const auto& [key, value] : call.context) {
    (*request.mutable_volume_context())[key] = value;
  }
  ::csi::v1::NodePublishVolumeResponse response;
  return stubs_->Call(*stubs_->node, &::csi::v1::Node::Stub::NodePublishVolume,
                      request, &response);
}

absl::Status CsiClient::Unpublish(const std::string& volume_id,
                                  const std::string& target) {
  ::csi::v1::NodeUnpublishVolumeRequest request;
  request.set_volume_id(volume_id);
  request.set_target_path(target);
  ::csi::v1::NodeUnpublishVolumeResponse response;
  return stubs_->Call(*stubs_->node,
                      &::csi::v1::Node::Stub::NodeUnpublishVolume, request,
                      &response);
}

absl::StatusOr<VolumeCondition> CsiClient::Condition(
    const std::string& volume_id, const std::string& target) {
  ::csi::v1::NodeGetVolumeStatsRequest request;
  request.set_volume_id(volume_id);
  request.set_volume_path(target);
  ::csi::v1::NodeGetVolumeStatsResponse response;
  RETURN_IF_ERROR(stubs_->Call(*stubs_->node,
                               &::csi::v1::Node::Stub::NodeGetVolumeStats,
                               request, &response));
  return VolumeCondition{.abnormal = response.volume_condition().abnormal(),
                         .message = response.volume_condition().message()};
}

}  // namespace oneagent
