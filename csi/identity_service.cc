#include "csi/identity_service.h"

#include <grpcpp/grpcpp.h>

#include "proto/csi.grpc.pb.h"

namespace oneagent {
namespace {

class IdentityService final : public ::csi::v1::Identity::CallbackService {
 public:
  explicit IdentityService(const Log& log) : log_(log) {}

  grpc::ServerUnaryReactor* GetPluginInfo(
      grpc::CallbackServerContext* context,
      const ::csi::v1::GetPluginInfoRequest* /*request*/,
      ::csi::v1::GetPluginInfoResponse* response) override {
    response->set_name(kDriverName);
    response->set_vendor_version(ONEAGENT_VERSION);
    return Answer("GetPluginInfo", context);
  }

  // None: a node plugin without a controller and without topology.
  grpc::ServerUnaryReactor* GetPluginCapabilities(
      grpc::CallbackServerContext* context,
      const ::csi::v1::GetPluginCapabilitiesRequest* /*request*/,
      ::csi::v1::GetPluginCapabilitiesResponse* /*response*/) override {
    return Answer("GetPluginCapabilities", context);
  }

  // Ready as soon as calls can be answered at all: upstream's livenessprobe
  // takes "not ready" for dead, and a mounter without index still fails open.
  grpc::ServerUnaryReactor* Probe(grpc::CallbackServerContext* context,
                                  const ::csi::v1::ProbeRequest* /*request*/,
                                  ::csi::v1::ProbeResponse* response) override {
    response->mutable_ready()->set_value(true);
    return Answer("Probe", context);
  }

 private:
  grpc::ServerUnaryReactor* Answer(LogMessage call,
                                   grpc::CallbackServerContext* context) {
    log_.Debug(call, {{"code", "OK"}});
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const Log& log_;
};

}  // namespace

GrpcService NewIdentityService(const Log& log) {
  return GrpcService(new IdentityService(log));
}

}  // namespace oneagent
