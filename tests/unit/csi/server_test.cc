// What the server lets a connection do. What gRPC itself makes of malformed
// frames is tested end to end.
#include "csi/server.h"

#include <zlib.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "csi/identity_service.h"
#include "csi/listening_socket.h"
#include "gtest/gtest.h"
#include "tests/support/http2_frames.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {
namespace {

class ServerTest : public testing::Test {
 protected:
  void Serve(const Server::Options& options = {}) {
    std::vector<GrpcService> services;
    services.push_back(NewIdentityService(log_));
    server_ = std::make_unique<Server>(std::move(services), options);
    ASSERT_OK(server_->Start());
    ASSERT_OK_AND_ASSIGN(auto socket, ListeningSocket::Open(path_));
    server_->Listen(std::move(socket));
  }
  std::string StatusOf(const GrpcRequestParts& request) {
    Http2Connection connection(path_);
    connection.Send(ClientPreface());
    connection.Send(GrpcRequest(1, request));
    return connection.Await(1).headers["grpc-status"];
  }

  TempDir dir_;
  const std::string path_ = dir_.Path("csi.sock");
  SystemClock clock_;
  const Log log_{{.component = "mounter", .level = LogLevel::kError}, clock_};
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, ConnectionsWithoutACallAreClosedInTheEnd) {
  Serve({.longest_idle = absl::Milliseconds(200)});
  const std::string preface = ClientPreface();
  for (const std::string& beginning :
       {std::string(), preface.substr(0, 10), preface,
        preface + GrpcRequest(1, {.path = kProbePath})}) {
    Http2Connection connection(path_);
    ASSERT_TRUE(connection.Send(beginning));
    EXPECT_TRUE(connection.AwaitClosed()) << beginning.size();
  }
  EXPECT_EQ(StatusOf({.path = kProbePath}), "0");
}

TEST_F(ServerTest, AConnectionHasSoManyCallsAtOnceAndNotOneMore) {
  Serve();
  Http2Connection connection(path_);
  connection.Send(ClientPreface());
  connection.Send(GrpcRequest(1, {.path = kProbePath}));
  // With its answer the limit has arrived, and been acknowledged.
  ASSERT_EQ(connection.Await(1).headers["grpc-status"], "0");
  const std::string begun = GrpcHeaderBlock({.path = kProbePath});
  uint32_t stream = 3;
  for (int i = 0; i < kMaxStreams; ++i, stream += 2) {
    connection.Send(
        Http2FrameBytes(Http2Frame::kHeaders, kHttp2EndHeaders, stream, begun));
  }
  const uint32_t last = stream - 2;
  connection.Send(Http2FrameBytes(Http2Frame::kData, kHttp2EndStream, last,
                                  GrpcMessage("")));
  EXPECT_EQ(connection.Await(last).headers["grpc-status"], "0");
  for (int i = 0; i < 2; ++i, stream += 2) {
    connection.Send(
        Http2FrameBytes(Http2Frame::kHeaders, kHttp2EndHeaders, stream, begun));
  }
  EXPECT_TRUE(connection.AwaitClosed());
}

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED,
                         MAX_WBITS + 16, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST_F(ServerTest, CompressedMessagesAreRefused) {
  Serve();
  EXPECT_EQ(StatusOf({.path = kProbePath,
                      .encoding = "gzip",
                      .message = Gzip(""),
                      .is_compressed = true}),
            "12");
  EXPECT_EQ(StatusOf({.path = kProbePath, .encoding = "identity"}), "0");
}

}  // namespace
}  // namespace oneagent
