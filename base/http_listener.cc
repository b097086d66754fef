#include "base/http_listener.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/posix_status.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

constexpr int kBacklog = 128;
// Of one connection; also the most that a request's head may have.
constexpr size_t kConnectionMemory = 16 << 10;
// Connections that were told to go and are not yet gone.
constexpr int kLeaving = 64;

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
};

template <typename SocketAddress>
Address AddressOf(const SocketAddress& socket_address) {
  Address address;
  std::memcpy(&address.storage, &socket_address, sizeof(socket_address));
  address.size = sizeof(socket_address);
  return address;
}

Address FromIPv6(const in6_addr& ip, uint16_t port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = ip;
  address.sin6_port = htons(port);
  return AddressOf(address);
}

Address FromIPv4(const in_addr& ip, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr = ip;
  address.sin_port = htons(port);
  return AddressOf(address);
}

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) {
    return absl::InvalidArgumentError("not IP:PORT or :PORT");
  }
  absl::string_view host = text.substr(0, colon);
  uint32_t port = 0;
  const absl::string_view digits = text.substr(colon + 1);
  // SimpleAtoi takes blanks and signs.
  if (digits.empty() ||
      digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(digits, &port) || port > UINT16_MAX) {
    return absl::InvalidArgumentError("not a port from 0 to 65535");
  }
  if (host.empty()) return FromIPv6(in6addr_any, static_cast<uint16_t>(port));
  const bool has_brackets =
      absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  const std::string ip(host);
  in6_addr six;
  if (has_brackets && inet_pton(AF_INET6, ip.c_str(), &six) == 1) {
    return FromIPv6(six, static_cast<uint16_t>(port));
  }
  in_addr four;
  if (!has_brackets && inet_pton(AF_INET, ip.c_str(), &four) == 1) {
    return FromIPv4(four, static_cast<uint16_t>(port));
  }
  return absl::InvalidArgumentError(
      "host is not an IP address (IPv6 in brackets)");
}

absl::StatusOr<UniqueFd> Listen(absl::string_view name,
                                const Address& address) {
  UniqueFd fd(socket(address.storage.ss_family,
                     SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.ok()) return PosixStatus(name, errno);
  const int on = 1;
  const int off = 0;
  // A daemon that is started again must get the port of the one before.
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.storage.ss_family == AF_INET6) {
    (void)setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* const raw = reinterpret_cast<const sockaddr*>(&address.storage);
  if (bind(fd.get(), raw, address.size) != 0 ||
      listen(fd.get(), kBacklog) != 0) {
    return PosixStatus(name, errno);
  }
  return fd;
}

absl::StatusOr<UniqueFd> ParseAndListen(absl::string_view text) {
  const absl::StatusOr<Address> address = ParseAddress(text);
  if (!address.ok()) return Annotate(address.status(), text);
  absl::StatusOr<UniqueFd> fd = Listen(text, *address);
  // ":PORT" on a kernel without IPv6.
  if (!fd.ok() && text.front() == ':') {
    const auto port = static_cast<uint16_t>(
        std::strtoul(std::string(text.substr(1)).c_str(), nullptr, 10));
    return Listen(text, FromIPv4({.s_addr = htonl(INADDR_ANY)}, port));
  }
  return fd;
}

uint16_t PortOf(int fd) {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return 0;
  }
  // The port is at the same place in both families.
  sockaddr_in address = {};
  std::memcpy(&address, &storage, sizeof(address));
  return ntohs(address.sin_port);
}

}  // namespace

absl::StatusOr<std::string> ParseListenAddress(absl::string_view text) {
  RETURN_IF_ERROR(ParseAddress(text).status());
  return std::string(text);
}

// Everything but Start and Stop happens on libmicrohttpd's one thread.
struct HttpListener::Server {
  static MHD_Result OnRequest(void* self, MHD_Connection* connection,
                              const char* path, const char* method,
                              const char* version, const char* upload,
                              size_t* upload_size, void** request);
  static void OnConnection(void* self, MHD_Connection* connection,
                           void** context, MHD_ConnectionNotificationCode code);

  HttpPage PageOf(const std::string& path) const;
  void MakeRoom();

  HttpPages pages;
  size_t max_connections = 0;
  MHD_Daemon* daemon = nullptr;
  // Open ones, by age; the number is the connection's context.
  std::map<uintptr_t, int> sockets = {};
  uintptr_t next = 1;
};

HttpPage HttpListener::Server::PageOf(const std::string& path) const {
  const auto found = pages.find(path);
  if (found != pages.end()) return found->second();
  std::string known = "not found; there is:";
  for (const auto& [name, make] : pages) absl::StrAppend(&known, " ", name);
  return {.status = 404, .body = absl::StrCat(known, "\n")};
}

MHD_Result HttpListener::Server::OnRequest(
    void* self, MHD_Connection* connection, const char* path,
    const char* method, const char* /*version*/, const char* /*upload*/,
    size_t* /*upload_size*/, void** /*request*/) {
  const Server& server = *static_cast<const Server*>(self);
  const absl::string_view verb = method;
  const bool is_read = verb == "GET" || verb == "HEAD";
  HttpPage page = is_read
                      ? server.PageOf(path)
                      : HttpPage{.status = 405, .body = "only GET and HEAD\n"};
  MHD_Response* const response = MHD_create_response_from_buffer(
      page.body.size(), page.body.data(), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, "Content-Type", page.content_type.c_str());
  MHD_add_response_header(response, "Connection", "close");
  if (!is_read) MHD_add_response_header(response, "Allow", "GET, HEAD");
  // Answered as soon as the head is read: a body is not waited for.
  const MHD_Result queued = MHD_queue_response(
      connection, static_cast<unsigned int>(page.status), response);
  MHD_destroy_response(response);
  return queued;
}

void HttpListener::Server::OnConnection(void* self, MHD_Connection* connection,
                                        void** context,
                                        MHD_ConnectionNotificationCode code) {
  Server& server = *static_cast<Server*>(self);
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    // The descriptor is closed after this.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    server.sockets.erase(reinterpret_cast<uintptr_t>(*context));
    return;
  }
  server.MakeRoom();
  const uintptr_t number = server.next++;
  const MHD_ConnectionInfo* const info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (info != nullptr) server.sockets.emplace(number, info->connect_fd);
  // NOLINTNEXTLINE(performance-no-int-to-ptr,cppcoreguidelines-pro-type-reinterpret-cast)
  *context = reinterpret_cast<void*>(number);
}

void HttpListener::Server::MakeRoom() {
  if (sockets.size() < max_connections) return;
  // The thread reads the end of it next, and closes it.
  shutdown(sockets.begin()->second, SHUT_RDWR);
  sockets.erase(sockets.begin());
}

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Open(
    absl::string_view address, HttpPages pages, Options options) {
  ASSIGN_OR_RETURN(UniqueFd fd, ParseAndListen(address));
  const uint16_t port = PortOf(fd.get());
  auto server = std::make_unique<Server>();
  server->pages = std::move(pages);
  server->max_connections =
      static_cast<size_t>(std::max(options.max_connections, 1));
  const auto timeout = static_cast<unsigned int>(
      std::max<int64_t>(absl::ToInt64Seconds(options.idle_timeout), 1));
  server->daemon = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD, /*port=*/0, nullptr, nullptr,
      &Server::OnRequest, server.get(),    //
      MHD_OPTION_LISTEN_SOCKET, fd.get(),  //
      MHD_OPTION_CONNECTION_LIMIT,         //
      static_cast<unsigned int>(server->max_connections + kLeaving),
      MHD_OPTION_CONNECTION_TIMEOUT, timeout,  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,
      MHD_OPTION_NOTIFY_CONNECTION, &Server::OnConnection, server.get(),
      MHD_OPTION_END);
  if (server->daemon == nullptr) {
    return absl::InternalError(
        absl::StrCat(address, ": HTTP server did not start"));
  }
  fd.Release();  // the daemon's
  return absl::WrapUnique(new HttpListener(std::move(server), port));
}

HttpListener::HttpListener(std::unique_ptr<Server> server, uint16_t port)
    : server_(std::move(server)), port_(port) {}

HttpListener::~HttpListener() { MHD_stop_daemon(server_->daemon); }

absl::StatusOr<std::unique_ptr<HttpListener>> ListenForFlag(
    absl::string_view flag, absl::string_view address, HttpPages pages,
    const Log& log) {
  if (address.empty()) return nullptr;
  absl::StatusOr<std::unique_ptr<HttpListener>> listener =
      HttpListener::Open(address, std::move(pages));
  if (!listener.ok()) {
    return Annotate(listener.status(), absl::StrCat("--", flag));
  }
  log.Info("listening", {{"flag", std::string(flag)},
                         {"address", std::string(address)},
                         {"port", absl::StrCat((*listener)->port())}});
  return listener;
}

}  // namespace oneagent
