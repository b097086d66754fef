// A gRPC service without gRPC's headers (9 s of compilation each): what the
// *_service.h factories return and Server takes.
#ifndef CSI_GRPC_SERVICE_H_
#define CSI_GRPC_SERVICE_H_

#include <memory>

namespace grpc {
class Service;
}  // namespace grpc

namespace oneagent {

struct GrpcServiceDeleter {
  void operator()(grpc::Service* service) const;  // server.cc
};
using GrpcService = std::unique_ptr<grpc::Service, GrpcServiceDeleter>;

}  // namespace oneagent

#endif  // CSI_GRPC_SERVICE_H_
