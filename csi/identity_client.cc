#include "csi/identity_client.h"

#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "csi/grpc_status.h"
#include "proto/csi.grpc.pb.h"

namespace oneagent {

namespace {

using Stub = ::csi::v1::Identity::Stub;

// One call of `method`, named `name`, on a connection of its own.
template <typename Request, typename Response>
absl::Status Ask(const std::string& socket_path, absl::Duration timeout,
                 absl::string_view name,
                 grpc::Status (Stub::*method)(grpc::ClientContext*,
                                              const Request&, Response*),
                 Response* response) {
  grpc::ChannelArguments arguments;
  // Not a connection that is kept from last time.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(absl::StrCat("unix:", socket_path),
                                grpc::InsecureChannelCredentials(), arguments);
  Stub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  return Annotate(FromGrpcStatus((stub.*method)(&context, Request(), response)),
                  absl::StrCat(name, " on ", socket_path));
}

}  // namespace

absl::StatusOr<std::string> AskDriverName(const std::string& socket_path,
                                          absl::Duration timeout) {
  ::csi::v1::GetPluginInfoResponse response;
  RETURN_IF_ERROR(Ask(socket_path, timeout, "GetPluginInfo",
                      &Stub::GetPluginInfo, &response));
  return response.name();
}

absl::Status AskReady(const std::string& socket_path, absl::Duration timeout) {
  ::csi::v1::ProbeResponse response;
  RETURN_IF_ERROR(Ask(socket_path, timeout, "Probe", &Stub::Probe, &response));
  // CSI: "If not present, the caller SHALL assume that the plugin is ready."
  if (!response.has_ready() || response.ready().value()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("Probe on ", socket_path, ": not ready"));
}

}  // namespace oneagent
