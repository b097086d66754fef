// A NodePublishVolumeRequest's fields without its type: the step between the
// wire and volume_request. Needs the messages, but no gRPC.
#ifndef CSI_PUBLISH_MESSAGE_H_
#define CSI_PUBLISH_MESSAGE_H_

#include "csi/volume_request.h"
#include "proto/csi.pb.h"

namespace oneagent {

// Total: whatever a message holds is carried over unchecked.
RawPublishRequest RawOf(const ::csi::v1::NodePublishVolumeRequest& request);

}  // namespace oneagent

#endif  // CSI_PUBLISH_MESSAGE_H_
