// Asks a CSI socket who answers there. This is how the mounter sees itself as
// kubelet would: through the socket's path, on a connection of its own.
// Thread-safe.
#ifndef CSI_IDENTITY_CLIENT_H_
#define CSI_IDENTITY_CLIENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace oneagent {

// The driver name that GetPluginInfo returns at `socket_path`. Unavailable when
// there is nobody; DeadlineExceeded when no answer came within `timeout`; else
// the answer's own code. Errors name the socket.
absl::StatusOr<std::string> AskDriverName(const std::string& socket_path,
                                          absl::Duration timeout);

// OK when whoever listens at `socket_path` answers CSI's Probe within `timeout`
// with "ready": the meaning of upstream's livenessprobe. FailedPrecondition for
// "not ready"; else as above. What it costs is in csi/README.md.
absl::Status AskReady(const std::string& socket_path, absl::Duration timeout);

}  // namespace oneagent

#endif  // CSI_IDENTITY_CLIENT_H_
