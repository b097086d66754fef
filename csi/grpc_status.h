// absl::Status to gRPC's and back: the one place where codes are mapped.
#ifndef CSI_GRPC_STATUS_H_
#define CSI_GRPC_STATUS_H_

#include "absl/status/status.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace oneagent {

// The same code (both are gRPC's canonical ones); the message, cut at 1 KiB so
// that it fits into HTTP/2 trailers whatever a hostile request made of it;
// details are empty, as CSI demands. Payloads are dropped.
grpc::Status ToGrpcStatus(const absl::Status& status);

absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace oneagent

#endif  // CSI_GRPC_STATUS_H_
