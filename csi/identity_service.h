// csi.v1.Identity. Probe and the others are answered on the transport's own
// threads: they touch no lock, no disk and no queue, so that a busy mounter is
// still seen to be alive.
#ifndef CSI_IDENTITY_SERVICE_H_
#define CSI_IDENTITY_SERVICE_H_

#include "base/log.h"
#include "csi/grpc_service.h"

namespace oneagent {

inline constexpr char kDriverName[] = "csi.oneagent.dynatrace.com";

// `log` is borrowed and must outlive the service.
GrpcService NewIdentityService(const Log& log);

}  // namespace oneagent

#endif  // CSI_IDENTITY_SERVICE_H_
