#include "tests/support/http2_frames.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

constexpr size_t kFrameHeader = 9;

std::string BigEndian(uint32_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
  return out;
}

uint32_t FromBigEndian(absl::string_view bytes) {
  uint32_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

std::string HpackString(absl::string_view text) {
  return absl::StrCat(HpackInteger(0, 7, text.size()), text);
}

UniqueFd Connect(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.ok() || path.size() >= sizeof(address.sun_path)) abort();
  std::memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    std::perror(path.c_str());
    std::abort();
  }
  return fd;
}

}  // namespace

std::string Http2FrameBytes(Http2Frame type, uint8_t flags, uint32_t stream,
                            absl::string_view payload,
                            std::optional<uint32_t> claimed) {
  std::string out =
      BigEndian(claimed.value_or(static_cast<uint32_t>(payload.size())), 3);
  out.push_back(static_cast<char>(type));
  out.push_back(static_cast<char>(flags));
  absl::StrAppend(&out, BigEndian(stream, 4), payload);
  return out;
}

std::string ClientPreface() {
  return absl::StrCat("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                      Http2FrameBytes(Http2Frame::kSettings, 0, 0, ""));
}

std::string HpackInteger(uint8_t first, int prefix_bits, uint64_t value) {
  const uint64_t most = (uint64_t{1} << prefix_bits) - 1;
  if (value < most) return {static_cast<char>(first | value)};
  std::string out = {static_cast<char>(first | most)};
  for (value -= most; value >= 0x80; value >>= 7) {
    out.push_back(static_cast<char>(0x80 | (value & 0x7F)));
  }
  out.push_back(static_cast<char>(value));
  return out;
}

std::string HpackLiteral(absl::string_view name, absl::string_view value) {
  return absl::StrCat(HpackInteger(0, 4, 0), HpackString(name),
                      HpackString(value));
}

std::string HpackIndexedLiteral(absl::string_view name,
                                absl::string_view value) {
  return absl::StrCat(HpackInteger(0x40, 6, 0), HpackString(name),
                      HpackString(value));
}

std::string GrpcHeaderBlock(const GrpcRequestParts& parts) {
  std::string block = absl::StrCat(
      HpackLiteral(":method", "POST"), HpackLiteral(":scheme", "http"),
      HpackLiteral(":path", parts.path),
      HpackLiteral(":authority", parts.authority),
      HpackLiteral("te", "trailers"),
      HpackLiteral("content-type", parts.content_type));
  if (!parts.encoding.empty()) {
    absl::StrAppend(&block, HpackLiteral("grpc-encoding", parts.encoding));
  }
  for (const auto& [name, value] : parts.more_headers) {
    absl::StrAppend(&block, HpackLiteral(name, value));
  }
  return block;
}

std::string GrpcMessage(absl::string_view message, bool is_compressed) {
  return absl::StrCat(std::string(1, is_compressed ? '\1' : '\0'),
                      BigEndian(static_cast<uint32_t>(message.size()), 4),
                      message);
}

std::string GrpcRequest(uint32_t stream, const GrpcRequestParts& parts) {
  std::string out = Http2FrameBytes(Http2Frame::kHeaders, kHttp2EndHeaders,
                                    stream, GrpcHeaderBlock(parts));
  const std::string message = GrpcMessage(parts.message, parts.is_compressed);
  for (size_t at = 0; at < message.size(); at += kHttp2MaxFrame) {
    const bool is_last = at + kHttp2MaxFrame >= message.size();
    absl::StrAppend(
        &out,
        Http2FrameBytes(Http2Frame::kData,
                        is_last ? kHttp2EndStream : uint8_t{0}, stream,
                        absl::string_view(message).substr(at, kHttp2MaxFrame)));
  }
  return out;
}

struct Http2Connection::State {
  explicit State(const std::string& path) : fd(Connect(path)) {
    if (nghttp2_hd_inflate_new(&inflater) != 0) std::abort();
  }
  ~State() { nghttp2_hd_inflate_del(inflater); }

  // False when there is nothing (more) to be read now.
  bool Read();
  // Until there is something to be read; false at the deadline.
  bool Wait(absl::Time deadline) const;
  void TakeFrames();
  void TakeFrame(Http2Frame type, uint8_t flags, uint32_t stream,
                 absl::string_view payload);
  void TakeHeaders(Http2Answer& answer, absl::string_view block);

  UniqueFd fd;
  nghttp2_hd_inflater* inflater = nullptr;
  std::string unread;  // less than a frame
  std::map<uint32_t, Http2Answer> answers;
  std::optional<uint32_t> goaway;
  bool is_closed = false;
};

bool Http2Connection::State::Wait(absl::Time deadline) const {
  pollfd ready = {.fd = fd.get(), .events = POLLIN, .revents = 0};
  const int64_t wait = absl::ToInt64Milliseconds(deadline - absl::Now());
  return wait > 0 && poll(&ready, 1, static_cast<int>(wait)) > 0;
}

bool Http2Connection::State::Read() {
  if (is_closed) return false;
  char buffer[16384];
  const ssize_t got = recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
  if (got > 0) {
    unread.append(buffer, static_cast<size_t>(got));
    TakeFrames();
    return true;
  }
  if (got < 0 && errno == EINTR) return true;
  is_closed = got == 0 || errno != EAGAIN;
  return false;
}

void Http2Connection::State::TakeFrames() {
  absl::string_view rest = unread;
  while (rest.size() >= kFrameHeader) {
    const size_t length = FromBigEndian(rest.substr(0, 3));
    if (rest.size() < kFrameHeader + length) break;
    TakeFrame(static_cast<Http2Frame>(rest[3]), static_cast<uint8_t>(rest[4]),
              FromBigEndian(rest.substr(5, 4)),
              rest.substr(kFrameHeader, length));
    rest.remove_prefix(kFrameHeader + length);
  }
  unread = std::string(rest);
}

void Http2Connection::State::TakeFrame(Http2Frame type, uint8_t flags,
                                       uint32_t stream,
                                       absl::string_view payload) {
  const auto answer_with_ack = [&] {
    if ((flags & kHttp2Ack) != 0) return;
    const std::string ack = Http2FrameBytes(
        type, kHttp2Ack, 0, type == Http2Frame::kPing ? payload : "");
    // Does not matter where the peer is going away.
    (void)send(fd.get(), ack.data(), ack.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  };
  switch (type) {
    case Http2Frame::kSettings:
    case Http2Frame::kPing:
      answer_with_ack();
      return;
    case Http2Frame::kGoaway:
      goaway = FromBigEndian(payload.substr(4, 4));
      return;
    case Http2Frame::kRstStream:
      answers[stream].reset = FromBigEndian(payload.substr(0, 4));
      return;
    case Http2Frame::kHeaders:
    case Http2Frame::kContinuation:
      TakeHeaders(answers[stream], payload);
      break;
    case Http2Frame::kData:
      absl::StrAppend(&answers[stream].data, payload);
      break;
    case Http2Frame::kPriority:
    case Http2Frame::kPushPromise:
    case Http2Frame::kWindowUpdate:
      return;
  }
  // CONTINUATION has no such flag, and gRPC sends none.
  if ((flags & kHttp2EndStream) != 0) answers[stream].is_ended = true;
}

void Http2Connection::State::TakeHeaders(Http2Answer& answer,
                                         absl::string_view block) {
  const auto* at = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater, &field, &flags, at,
                                                left, /*in_final=*/1);
    if (used < 0) std::abort();  // gRPC's answers are well-formed
    at += used;
    left -= static_cast<size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      answer.headers[std::string(reinterpret_cast<const char*>(field.name),
                                 field.namelen)] =
          std::string(reinterpret_cast<const char*>(field.value),
                      field.valuelen);
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
  }
  nghttp2_hd_inflate_end_headers(inflater);
}

Http2Connection::Http2Connection(const std::string& socket_path)
    : state_(std::make_unique<State>(socket_path)) {}
Http2Connection::~Http2Connection() = default;
Http2Connection::Http2Connection(Http2Connection&&) noexcept = default;

bool Http2Connection::Send(absl::string_view bytes, absl::Duration patience) {
  while (!bytes.empty()) {
    const ssize_t sent = send(state_->fd.get(), bytes.data(), bytes.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    pollfd room = {.fd = state_->fd.get(), .events = POLLOUT, .revents = 0};
    const int wait = static_cast<int>(absl::ToInt64Milliseconds(patience));
    if (poll(&room, 1, wait) <= 0) return false;
  }
  return true;
}

Http2Answer Http2Connection::Await(uint32_t stream) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!Poll(stream) && state_->Wait(deadline)) {
  }
  return state_->answers[stream];
}

bool Http2Connection::Poll(uint32_t stream) {
  while (state_->Read()) {
  }
  const Http2Answer& answer = state_->answers[stream];
  return answer.is_ended || answer.reset || state_->is_closed;
}

bool Http2Connection::AwaitClosed(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  do {
    while (state_->Read()) {
    }
  } while (!state_->is_closed && state_->Wait(deadline));
  return state_->is_closed;
}

std::optional<uint32_t> Http2Connection::goaway() const {
  return state_->goaway;
}

}  // namespace oneagent
