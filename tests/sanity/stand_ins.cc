#include "tests/sanity/stand_ins.h"

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/csi.grpc.pb.h"
#include "tests/sanity/controller.grpc.pb.h"
#include "tests/support/csi_client.h"

namespace oneagent {
namespace {

using ::csi::v1::Controller;
using ::csi::v1::Identity;
using ::csi::v1::Node;
using ::csi::v1::PluginCapability;

std::unique_ptr<grpc::Server> Serve(
    const std::string& socket_path,
    const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("unix:", socket_path),
                           grpc::InsecureServerCredentials());
  for (grpc::Service* const service : services) {
    builder.RegisterService(service);
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::fprintf(stderr, "stand-in: cannot serve at %s\n", socket_path.c_str());
    std::abort();
  }
  return server;
}

class ControllerIdentity final : public Identity::Service {
 public:
  grpc::Status GetPluginInfo(
      grpc::ServerContext* /*context*/,
      const ::csi::v1::GetPluginInfoRequest* /*request*/,
      ::csi::v1::GetPluginInfoResponse* response) override {
    response->set_name("controller.sanity.test");
    response->set_vendor_version("1");
    return grpc::Status::OK;
  }
  grpc::Status GetPluginCapabilities(
      grpc::ServerContext* /*context*/,
      const ::csi::v1::GetPluginCapabilitiesRequest* /*request*/,
      ::csi::v1::GetPluginCapabilitiesResponse* response) override {
    response->add_capabilities()->mutable_service()->set_type(
        PluginCapability::Service::CONTROLLER_SERVICE);
    return grpc::Status::OK;
  }
  grpc::Status Probe(grpc::ServerContext* /*context*/,
                     const ::csi::v1::ProbeRequest* /*request*/,
                     ::csi::v1::ProbeResponse* /*response*/) override {
    return grpc::Status::OK;
  }
};

class InlineVolumes final : public Controller::Service {
 public:
  explicit InlineVolumes(std::map<std::string, std::string> attributes)
      : attributes_(std::move(attributes)) {}

  grpc::Status CreateVolume(
      grpc::ServerContext* /*context*/,
      const ::csi::v1::CreateVolumeRequest* request,
      ::csi::v1::CreateVolumeResponse* response) override {
    const CsiPublishCall call = KubeletPublishCall(
        /*kubelet_dir=*/"", {.name = "sanity", .uid = "uid-sanity"},
        request->name(), attributes_);
    ::csi::v1::Volume* const volume = response->mutable_volume();
    volume->set_volume_id(call.volume_id);
    volume->mutable_volume_context()->insert(call.context.begin(),
                                             call.context.end());
    return grpc::Status::OK;
  }
  grpc::Status DeleteVolume(
      grpc::ServerContext* /*context*/,
      const ::csi::v1::DeleteVolumeRequest* /*request*/,
      ::csi::v1::DeleteVolumeResponse* /*response*/) override {
    return grpc::Status::OK;
  }
  // None; csi-sanity refuses an empty list.
  grpc::Status ControllerGetCapabilities(
      grpc::ServerContext* /*context*/,
      const ::csi::v1::ControllerGetCapabilitiesRequest* /*request*/,
      ::csi::v1::ControllerGetCapabilitiesResponse* response) override {
    response->add_capabilities()->mutable_rpc()->set_type(
        ::csi::v1::ControllerServiceCapability::RPC::UNKNOWN);
    return grpc::Status::OK;
  }

 private:
  const std::map<std::string, std::string> attributes_;
};

// The same call at the mounter, for as long as the caller waits.
template <typename Stub, typename Request, typename Response>
grpc::Status Forward(Stub& stub,
                     grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                  const Request&, Response*),
                     const grpc::ServerContext& caller, const Request& request,
                     Response* response) {
  const std::unique_ptr<grpc::ClientContext> context =
      grpc::ClientContext::FromServerContext(caller);
  return (stub.*method)(context.get(), request, response);
}

class IdentityProxy final : public Identity::Service {
 public:
  explicit IdentityProxy(const std::shared_ptr<grpc::Channel>& mounter)
      : stub_(mounter) {}

  grpc::Status GetPluginInfo(
      grpc::ServerContext* context,
      const ::csi::v1::GetPluginInfoRequest* request,
      ::csi::v1::GetPluginInfoResponse* response) override {
    return Forward(stub_, &Identity::Stub::GetPluginInfo, *context, *request,
                   response);
  }
  grpc::Status GetPluginCapabilities(
      grpc::ServerContext* context,
      const ::csi::v1::GetPluginCapabilitiesRequest* request,
      ::csi::v1::GetPluginCapabilitiesResponse* response) override {
    grpc::Status status = Forward(stub_, &Identity::Stub::GetPluginCapabilities,
                                  *context, *request, response);
    response->add_capabilities()->mutable_service()->set_type(
        PluginCapability::Service::CONTROLLER_SERVICE);
    return status;
  }
  grpc::Status Probe(grpc::ServerContext* context,
                     const ::csi::v1::ProbeRequest* request,
                     ::csi::v1::ProbeResponse* response) override {
    return Forward(stub_, &Identity::Stub::Probe, *context, *request, response);
  }

 private:
  Identity::Stub stub_;
};

class NodeForwarder final : public Node::Service {
 public:
  NodeForwarder(const std::shared_ptr<grpc::Channel>& mounter,
                NodeProxy::Options options)
      : options_(std::move(options)), stub_(mounter) {}

  grpc::Status NodePublishVolume(
      grpc::ServerContext* context,
      const ::csi::v1::NodePublishVolumeRequest* request,
      ::csi::v1::NodePublishVolumeResponse* response) override {
    ::csi::v1::NodePublishVolumeRequest changed = *request;
    if (options_.read_only) changed.set_readonly(true);
    grpc::Status status = Forward(stub_, &Node::Stub::NodePublishVolume,
                                  *context, changed, response);
    if (status.ok() && options_.published)
      options_.published(request->target_path());
    return status;
  }
  grpc::Status NodeUnpublishVolume(
      grpc::ServerContext* context,
      const ::csi::v1::NodeUnpublishVolumeRequest* request,
      ::csi::v1::NodeUnpublishVolumeResponse* response) override {
    return Forward(stub_, &Node::Stub::NodeUnpublishVolume, *context, *request,
                   response);
  }
  grpc::Status NodeStageVolume(
      grpc::ServerContext* context,
      const ::csi::v1::NodeStageVolumeRequest* request,
      ::csi::v1::NodeStageVolumeResponse* response) override {
    return Forward(stub_, &Node::Stub::NodeStageVolume, *context, *request,
                   response);
  }
  grpc::Status NodeUnstageVolume(
      grpc::ServerContext* context,
      const ::csi::v1::NodeUnstageVolumeRequest* request,
      ::csi::v1::NodeUnstageVolumeResponse* response) override {
    return Forward(stub_, &Node::Stub::NodeUnstageVolume, *context, *request,
                   response);
  }
  grpc::Status NodeGetVolumeStats(
      grpc::ServerContext* context,
      const ::csi::v1::NodeGetVolumeStatsRequest* request,
      ::csi::v1::NodeGetVolumeStatsResponse* response) override {
    return Forward(stub_, &Node::Stub::NodeGetVolumeStats, *context, *request,
                   response);
  }
  grpc::Status NodeExpandVolume(
      grpc::ServerContext* context,
      const ::csi::v1::NodeExpandVolumeRequest* request,
      ::csi::v1::NodeExpandVolumeResponse* response) override {
    return Forward(stub_, &Node::Stub::NodeExpandVolume, *context, *request,
                   response);
  }
  grpc::Status NodeGetCapabilities(
      grpc::ServerContext* context,
      const ::csi::v1::NodeGetCapabilitiesRequest* request,
      ::csi::v1::NodeGetCapabilitiesResponse* response) override {
    return Forward(stub_, &Node::Stub::NodeGetCapabilities, *context, *request,
                   response);
  }
  grpc::Status NodeGetInfo(grpc::ServerContext* context,
                           const ::csi::v1::NodeGetInfoRequest* request,
                           ::csi::v1::NodeGetInfoResponse* response) override {
    return Forward(stub_, &Node::Stub::NodeGetInfo, *context, *request,
                   response);
  }

 private:
  const NodeProxy::Options options_;
  Node::Stub stub_;
};

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& socket_path) {
  return grpc::CreateChannel(absl::StrCat("unix:", socket_path),
                             grpc::InsecureChannelCredentials());
}

}  // namespace

struct ControllerStandIn::State {
  explicit State(std::map<std::string, std::string> attributes)
      : volumes(std::move(attributes)) {}

  ControllerIdentity identity;
  InlineVolumes volumes;
  std::unique_ptr<grpc::Server> server;
};

ControllerStandIn::ControllerStandIn(
    const std::string& socket_path,
    std::map<std::string, std::string> attributes)
    : state_(std::make_unique<State>(std::move(attributes))) {
  state_->server = Serve(socket_path, {&state_->identity, &state_->volumes});
}

ControllerStandIn::~ControllerStandIn() = default;

struct NodeProxy::State {
  explicit State(Options options)
      : mounter(ChannelTo(options.mounter_socket)),
        identity(mounter),
        node(mounter, std::move(options)) {}

  const std::shared_ptr<grpc::Channel> mounter;  // shared with the stubs
  IdentityProxy identity;
  NodeForwarder node;
  std::unique_ptr<grpc::Server> server;
};

NodeProxy::NodeProxy(const std::string& socket_path, Options options)
    : state_(std::make_unique<State>(std::move(options))) {
  state_->server = Serve(socket_path, {&state_->identity, &state_->node});
}

NodeProxy::~NodeProxy() = default;

}  // namespace oneagent
