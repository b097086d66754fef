// HTTP/2 by hand, for what no HTTP/2 library would send: frames are made and
// sent as they are, well-formed or not. Only answers are read with a library
// (nghttp2's HPACK).
//
//   Http2Connection connection(socket_path);
//   connection.Send(ClientPreface());
//   connection.Send(GrpcRequest(1, {.path = kProbePath}));
//   EXPECT_EQ(connection.Await(1).headers["grpc-status"], "0");
#ifndef TESTS_SUPPORT_HTTP2_FRAMES_H_
#define TESTS_SUPPORT_HTTP2_FRAMES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace oneagent {

enum class Http2Frame : uint8_t {  // RFC 9113 section 6
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
inline constexpr uint8_t kHttp2EndStream = 0x1;
inline constexpr uint8_t kHttp2Ack = 0x1;
inline constexpr uint8_t kHttp2EndHeaders = 0x4;
inline constexpr size_t kHttp2MaxFrame = 16384;

inline constexpr char kProbePath[] = "/csi.v1.Identity/Probe";
inline constexpr char kPublishPath[] = "/csi.v1.Node/NodePublishVolume";
inline constexpr char kUnpublishPath[] = "/csi.v1.Node/NodeUnpublishVolume";
inline constexpr char kNodeCapabilitiesPath[] =
    "/csi.v1.Node/NodeGetCapabilities";

// `claimed`: the length in the frame's header, where it is to be a lie.
std::string Http2FrameBytes(Http2Frame type, uint8_t flags, uint32_t stream,
                            absl::string_view payload,
                            std::optional<uint32_t> claimed = std::nullopt);

// The magic line and an empty SETTINGS.
std::string ClientPreface();

// HPACK (RFC 7541): an integer below `first`'s pattern bits; a field that is
// neither indexed nor compressed; one that goes into the dynamic table.
std::string HpackInteger(uint8_t first, int prefix_bits, uint64_t value);
std::string HpackLiteral(absl::string_view name, absl::string_view value);
std::string HpackIndexedLiteral(absl::string_view name,
                                absl::string_view value);

struct GrpcRequestParts {
  std::string path;
  std::string authority = "localhost";
  std::string content_type = "application/grpc";
  std::string encoding = {};  // grpc-encoding; empty: none
  std::string message = {};   // serialized
  bool is_compressed = false;
  std::vector<std::pair<std::string, std::string>> more_headers = {};
};
// The header block of a request.
std::string GrpcHeaderBlock(const GrpcRequestParts& parts);
// A message with its five bytes of length in front.
std::string GrpcMessage(absl::string_view message, bool is_compressed = false);
// HEADERS and DATA, complete.
std::string GrpcRequest(uint32_t stream, const GrpcRequestParts& parts);

struct Http2Answer {
  std::map<std::string, std::string> headers;  // and trailers
  std::string data;
  bool is_ended = false;          // END_STREAM
  std::optional<uint32_t> reset;  // code of RST_STREAM
};

// One connection. Everything waits at most 20 s, so that a test fails and does
// not hang. Not thread-safe.
class Http2Connection {
 public:
  // Aborts the test process when it cannot connect.
  explicit Http2Connection(const std::string& socket_path);
  ~Http2Connection();
  Http2Connection(Http2Connection&&) noexcept;
  Http2Connection& operator=(Http2Connection&&) = delete;

  // False when the peer has closed, or takes nothing for `patience`. What it
  // sends meanwhile is left unread.
  bool Send(absl::string_view bytes,
            absl::Duration patience = absl::Seconds(20));

  // Reads, answering SETTINGS and PING, until the stream has ended, was reset,
  // or the connection is closed.
  Http2Answer Await(uint32_t stream);
  // Whether that is so already; reads what there is, waits for nothing.
  bool Poll(uint32_t stream);
  // Reads until the peer has closed; false when the time is over.
  bool AwaitClosed(absl::Duration patience = absl::Seconds(20));
  // The code of GOAWAY as far as read.
  std::optional<uint32_t> goaway() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace oneagent

#endif  // TESTS_SUPPORT_HTTP2_FRAMES_H_
