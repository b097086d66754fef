// Clients that do not speak HTTP/2, or not as it is meant: their own
// connection ends, at most; nobody else notices.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/hostile_fixture.h"
#include "tests/support/http2_frames.h"

namespace oneagent {
namespace {

constexpr size_t kMiB = 1 << 20;

std::string Continuation(absl::string_view block) {
  return Http2FrameBytes(Http2Frame::kContinuation, 0, 1, block);
}

// A header block that is begun on stream 1 and goes on.
std::string BeginHeaders(absl::string_view block) {
  return Http2FrameBytes(Http2Frame::kHeaders, 0, 1, block);
}

std::string Repeated(absl::string_view text, size_t bytes) {
  std::string out;
  out.reserve(bytes + text.size());
  while (out.size() < bytes) absl::StrAppend(&out, text);
  return out;
}

class HostileHttp2Test : public HostileTest {
 protected:
  Http2Connection Connect() {
    Http2Connection connection(node_.socket());
    EXPECT_TRUE(connection.Send(ClientPreface()));
    return connection;
  }
};

struct Piece {
  const char* name;
  std::string bytes;
};

TEST_F(HostileHttp2Test, ConnectionsThatAreNoHttp2AreClosed) {
  const std::string preface = ClientPreface();
  const std::string block = GrpcHeaderBlock({.path = kProbePath});
  const Piece cases[] = {
      {"HTTP/1.1", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) +
                  std::string(512, 'r')},
      {"garbage", std::string(100'000, '\xff')},
      {"zeroes", std::string(100'000, '\0')},
      {"garbage after the preface", preface + std::string(1000, '\xff')},
      {"frame above the limit",
       preface + Http2FrameBytes(Http2Frame::kData, 0, 1, "", 0xFFFFFF)},
      {"CONTINUATION without HEADERS", preface + Continuation(block)},
      {"another frame within a header block",
       preface + BeginHeaders(block) +
           Http2FrameBytes(Http2Frame::kPing, 0, 0, "12345678")},
      {"SETTINGS of five bytes",
       preface + Http2FrameBytes(Http2Frame::kSettings, 0, 0, "12345")},
      {"PING of seven bytes",
       preface + Http2FrameBytes(Http2Frame::kPing, 0, 0, "1234567")},
      {"RST_STREAM of three bytes",
       preface + Http2FrameBytes(Http2Frame::kRstStream, 0, 1, "123")},
      {"HPACK index that does not exist",
       preface + Http2FrameBytes(Http2Frame::kHeaders, kHttp2EndHeaders, 1,
                                 HpackInteger(0x80, 7, 5000))},
      {"HPACK integer that does not end",
       preface + Http2FrameBytes(Http2Frame::kHeaders, kHttp2EndHeaders, 1,
                                 std::string(64, '\xff'))},
  };
  Endure([&] {
    for (const Piece& test : cases) {
      Http2Connection connection(node_.socket());
      connection.Send(test.bytes);
      EXPECT_TRUE(connection.AwaitClosed()) << test.name;
    }
  });
}

TEST_F(HostileHttp2Test, FramesThatMeanNothingAreSkipped) {
  const std::string block = GrpcHeaderBlock({.path = kProbePath});
  const Piece cases[] = {
      {"DATA on stream 0", Http2FrameBytes(Http2Frame::kData, 0, 0, "x")},
      {"DATA on a stream that was never opened",
       Http2FrameBytes(Http2Frame::kData, 0, 9, "x")},
      {"HEADERS on an even stream",
       Http2FrameBytes(Http2Frame::kHeaders, kHttp2EndHeaders, 2, block)},
      {"RST_STREAM of a stream that was never opened",
       Http2FrameBytes(Http2Frame::kRstStream, 0, 9,
                       absl::string_view("\0\0\0\x8", 4))},
      {"frame of an unknown type",
       Http2FrameBytes(static_cast<Http2Frame>(0x42), 0xFF, 1, "x")},
      {"unknown setting",
       Http2FrameBytes(Http2Frame::kSettings, 0, 0,
                       absl::string_view("\x42\x42\1\2\3\4", 6))},
  };
  Endure([&] {
    for (const Piece& test : cases) {
      Http2Connection connection = Connect();
      EXPECT_TRUE(connection.Send(test.bytes));
      EXPECT_TRUE(connection.Send(GrpcRequest(3, {.path = kProbePath})));
      EXPECT_EQ(connection.Await(3).headers["grpc-status"], "0") << test.name;
    }
  });
}

TEST_F(HostileHttp2Test, OddRequestsAreAnsweredAndTheConnectionServesOn) {
  const struct {
    const char* name;
    GrpcRequestParts parts;
    const char* status;
  } kCases[] = {
      {"authority of an old kubelet",
       {.path = kProbePath, .authority = "/var/lib/kubelet/csi.sock"},
       "0"},
      {"empty authority", {.path = kProbePath, .authority = ""}, "0"},
      {"unknown method", {.path = "/csi.v1.Identity/Hack"}, "12"},
      {"unknown service", {.path = "/csi.v1.Controller/CreateVolume"}, "12"},
      {"path that is none", {.path = std::string("\0/../..", 7)}, "12"},
      // gRPC takes it.
      {"another content type",
       {.path = kProbePath, .content_type = "text/html"},
       "0"},
      {"field without a name",
       {.path = kProbePath, .more_headers = {{"", ""}}},
       "0"},
      {"message that is no protobuf",
       {.path = kPublishPath, .message = "\xff\xff\xff"},
       "12"},
      {"string that is not UTF-8",
       {.path = kPublishPath, .message = "\x0a\x02\xff\xfe"},
       "12"},
      {"compressed message",
       {.path = kProbePath, .encoding = "gzip", .is_compressed = true},
       "12"},
  };
  Endure([&] {
    Http2Connection connection = Connect();
    uint32_t stream = 1;
    for (const auto& test : kCases) {
      EXPECT_TRUE(connection.Send(GrpcRequest(stream, test.parts)));
      EXPECT_EQ(connection.Await(stream).headers["grpc-status"], test.status)
          << test.name;
      stream += 2;
      EXPECT_TRUE(connection.Send(GrpcRequest(stream, {.path = kProbePath})));
      EXPECT_EQ(connection.Await(stream).headers["grpc-status"], "0")
          << test.name;
      stream += 2;
    }
  });
}

TEST_F(HostileHttp2Test, ClientsThatStopHalfwayHoldNobodyUp) {
  const std::string preface = ClientPreface();
  const std::string request = GrpcRequest(1, {.path = kProbePath});
  const std::string beginnings[] = {
      "",
      preface.substr(0, 10),
      preface,
      preface + request.substr(0, 5),
      preface + request.substr(0, 60),
      preface + BeginHeaders(GrpcHeaderBlock({.path = kProbePath})),
      preface + request.substr(0, request.size() - 3),
  };
  Endure([&] {
    std::vector<Http2Connection> halfway;
    for (int i = 0; i < 20; ++i) {
      for (const std::string& beginning : beginnings) {
        halfway.emplace_back(node_.socket());
        EXPECT_TRUE(halfway.back().Send(beginning));
      }
    }
    Bystander(node_).AwaitRounds(5);
  });
}

TEST_F(HostileHttp2Test, AThousandIdleConnectionsHoldNobodyUp) {
  Endure([&] {
    std::vector<Http2Connection> idle;
    for (int i = 0; i < 1000; ++i) idle.push_back(Connect());
    Bystander(node_).AwaitRounds(20);
    EXPECT_TRUE(idle[500].Send(GrpcRequest(1, {.path = kProbePath})));
    EXPECT_EQ(idle[500].Await(1).headers["grpc-status"], "0");
  });
}

// What is poured into one connection, none of it read back.
struct Flood {
  const char* name;
  std::string begin;
  std::string frame;
  size_t most;  // bytes, as far as they are taken
};

std::vector<Flood> Floods() {
  const std::string field = HpackLiteral("x", std::string(100, 'v'));
  return {
      {"SETTINGS", "", Http2FrameBytes(Http2Frame::kSettings, 0, 0, ""),
       4 * kMiB},
      {"PING", "", Http2FrameBytes(Http2Frame::kPing, 0, 0, "12345678"),
       4 * kMiB},
      {"WINDOW_UPDATE", "",
       Http2FrameBytes(Http2Frame::kWindowUpdate, 0, 0,
                       absl::string_view("\0\0\0\1", 4)),
       4 * kMiB},
      {"PRIORITY", "",
       Http2FrameBytes(Http2Frame::kPriority, 0, 1, "\1\1\1\1\1"), 4 * kMiB},
      {"CONTINUATION with fields",
       BeginHeaders(GrpcHeaderBlock({.path = kProbePath})),
       Continuation(Repeated(field, kHttp2MaxFrame - 200)), 32 * kMiB},
      {"CONTINUATION without anything",
       BeginHeaders(GrpcHeaderBlock({.path = kProbePath})), Continuation(""),
       4 * kMiB},
      {"a string of HPACK without end",
       BeginHeaders(HpackInteger(0, 4, 0) + HpackInteger(0, 7, 1u << 30)),
       Continuation(std::string(kHttp2MaxFrame, 'n')), 8 * kMiB},
      {"an integer of HPACK without end", BeginHeaders("\xff"),
       Continuation(std::string(kHttp2MaxFrame, '\x80')), 2 * kMiB},
      {"references to a field of 4 KB",
       BeginHeaders(HpackIndexedLiteral("x", std::string(3900, 'v'))),
       Continuation(std::string(kHttp2MaxFrame, '\xbe')), 2 * kMiB},
  };
}

TEST_F(HostileHttp2Test, FloodsAreSurvivedAndForgotten) {
  for (const Flood& flood : Floods()) {
    SCOPED_TRACE(flood.name);
    std::cout << flood.name << "\n";
    Endure([&] {
      Http2Connection connection = Connect();
      const std::string piece = Repeated(flood.frame, kMiB);
      connection.Send(flood.begin);
      size_t sent = 0;
      while (sent < flood.most && connection.Send(piece, absl::Seconds(1))) {
        sent += piece.size();
      }
      std::cout << "taken: " << sent / kMiB << " MiB\n";
    });
  }
}

constexpr uint32_t kManyStreams = 5000;

// A client that does not acknowledge the limit is not held to it by gRPC 1.51.
TEST_F(HostileHttp2Test, ThousandsOfCallsThatDoNotEndAreForgotten) {
  std::string begun;
  for (uint32_t i = 0; i < kManyStreams; ++i) {
    absl::StrAppend(
        &begun,
        Http2FrameBytes(Http2Frame::kHeaders, kHttp2EndHeaders, 2 * i + 1,
                        GrpcHeaderBlock({.path = kPublishPath})));
  }
  Endure([&] { Connect().Send(begun, absl::Seconds(5)); });
}

TEST_F(HostileHttp2Test, RapidResetIsForgotten) {
  std::string calls;
  for (uint32_t i = 0; i < kManyStreams; ++i) {
    absl::StrAppend(&calls, GrpcRequest(2 * i + 1, {.path = kProbePath}),
                    Http2FrameBytes(Http2Frame::kRstStream, 0, 2 * i + 1,
                                    absl::string_view("\0\0\0\x8", 4)));
  }
  Endure([&] { Connect().Send(calls, absl::Seconds(5)); });
}

}  // namespace
}  // namespace oneagent
