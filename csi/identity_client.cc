#include "csi/identity_client.h"

#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/posix_status.h"
#include "csi/grpc_status.h"
#include "proto/csi.grpc.pb.h"

namespace oneagent {

absl::StatusOr<std::string> AskDriverName(const std::string& socket_path,
                                          absl::Duration timeout) {
  grpc::ChannelArguments arguments;
  // A connection of its own, not one that is kept from last time.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(absl::StrCat("unix:", socket_path),
                                grpc::InsecureChannelCredentials(), arguments);
  ::csi::v1::Identity::Stub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  ::csi::v1::GetPluginInfoResponse response;
  const absl::Status status = FromGrpcStatus(stub.GetPluginInfo(
      &context, ::csi::v1::GetPluginInfoRequest(), &response));
  if (!status.ok()) {
    return Annotate(status, absl::StrCat("GetPluginInfo on ", socket_path));
  }
  return response.name();
}

}  // namespace oneagent
