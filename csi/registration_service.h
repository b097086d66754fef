// pluginregistration.Registration: what kubelet asks at the socket that it
// found in its plugins_registry directory. Answered on the transport's own
// threads, for kubelet waits for GetInfo one second only.
#ifndef CSI_REGISTRATION_SERVICE_H_
#define CSI_REGISTRATION_SERVICE_H_

#include <functional>
#include <string>

#include "csi/grpc_service.h"

namespace oneagent {

struct RegistrationVerdict {
  bool registered = false;
  std::string error;  // kubelet's words; untrusted
};

// `endpoint` is the path of csi.sock as kubelet sees it. `on_verdict` is called
// for each NotifyRegistrationStatus, by several threads at once, and must
// neither wait nor outlive what it refers to.
GrpcService NewRegistrationService(
    std::string endpoint,
    std::function<void(const RegistrationVerdict&)> on_verdict);

}  // namespace oneagent

#endif  // CSI_REGISTRATION_SERVICE_H_
