#include "csi/registration_service.h"

#include <grpcpp/grpcpp.h>

#include <utility>

#include "csi/identity_service.h"
#include "proto/pluginregistration.grpc.pb.h"

namespace oneagent {
namespace {

// kubelet's handlers are chosen by the type, and a CSI plugin must support a
// version 1.x of the protocol.
constexpr char kPluginType[] = "CSIPlugin";
constexpr char kCsiVersion[] = "1.0.0";

class RegistrationService final
    : public ::pluginregistration::Registration::CallbackService {
 public:
  RegistrationService(
      std::string endpoint,
      std::function<void(const RegistrationVerdict&)> on_verdict)
      : endpoint_(std::move(endpoint)), on_verdict_(std::move(on_verdict)) {}

  grpc::ServerUnaryReactor* GetInfo(
      grpc::CallbackServerContext* context,
      const ::pluginregistration::InfoRequest* /*request*/,
      ::pluginregistration::PluginInfo* response) override {
    response->set_type(kPluginType);
    response->set_name(kDriverName);
    response->set_endpoint(endpoint_);
    response->add_supported_versions(kCsiVersion);
    return Answer(context);
  }

  grpc::ServerUnaryReactor* NotifyRegistrationStatus(
      grpc::CallbackServerContext* context,
      const ::pluginregistration::RegistrationStatus* request,
      ::pluginregistration::RegistrationStatusResponse* /*response*/) override {
    on_verdict_({.registered = request->plugin_registered(),
                 .error = request->error()});
    return Answer(context);
  }

 private:
  static grpc::ServerUnaryReactor* Answer(
      grpc::CallbackServerContext* context) {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const std::string endpoint_;
  const std::function<void(const RegistrationVerdict&)> on_verdict_;
};

}  // namespace

GrpcService NewRegistrationService(
    std::string endpoint,
    std::function<void(const RegistrationVerdict&)> on_verdict) {
  return GrpcService(
      new RegistrationService(std::move(endpoint), std::move(on_verdict)));
}

}  // namespace oneagent
