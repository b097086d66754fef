#include "cache/http/no_proxy.h"

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cache/http/url.h"

namespace oneagent {
namespace {

// An IPv4 address stands as the IPv6 address that is mapped to it.
using Address = std::array<uint8_t, 16>;
constexpr int kMappedBits = 96;

struct ParsedAddress {
  Address bytes = {};
  bool is_v4 = false;
};

std::optional<ParsedAddress> ParseAddress(const std::string& text) {
  ParsedAddress address;
  if (inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) {
    return address;
  }
  address.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  address.is_v4 = true;
  if (inet_pton(AF_INET, text.c_str(), address.bytes.data() + 12) == 1) {
    return address;
  }
  return std::nullopt;
}

bool SameNetwork(const Address& a, const Address& b, int bits) {
  for (int i = 0; i < bits; ++i) {
    const auto byte = static_cast<size_t>(i / 8);
    const int mask = 0x80 >> (i % 8);
    if (((a[byte] ^ b[byte]) & mask) != 0) return false;
  }
  return true;
}

bool IsLoopback(const Address& address) {
  return SameNetwork(address, ParseAddress("127.0.0.0")->bytes,
                     kMappedBits + 8) ||
         address == ParseAddress("::1")->bytes;
}

// The URL that is asked for.
struct Destination {
  std::string host;  // lower case, an IPv6 address without its brackets
  std::string port;
  std::optional<ParsedAddress> address;
};

struct Entry {
  std::string host;
  std::string port;  // empty: any
};

// As net.SplitHostPort: what is no HOST:PORT is all host.
Entry SplitEntry(const std::string& entry) {
  const size_t colon = entry.rfind(':');
  if (colon == std::string::npos) return {entry, ""};
  absl::string_view host = absl::string_view(entry).substr(0, colon);
  const bool has_brackets =
      absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  if (!has_brackets && absl::StrContains(host, ':')) return {entry, ""};
  return {std::string(host), entry.substr(colon + 1)};
}

// nullopt when the entry is no network.
std::optional<bool> IsInNetwork(const Destination& destination,
                                const std::string& entry) {
  const size_t slash = entry.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::optional<ParsedAddress> network =
      ParseAddress(entry.substr(0, slash));
  int bits = 0;
  if (!network.has_value() ||
      !absl::SimpleAtoi(entry.substr(slash + 1), &bits) || bits < 0 ||
      bits > (network->is_v4 ? 32 : 128)) {
    return std::nullopt;
  }
  return destination.address.has_value() &&
         destination.address->is_v4 == network->is_v4 &&
         SameNetwork(destination.address->bytes, network->bytes,
                     network->is_v4 ? kMappedBits + bits : bits);
}

bool IsNamed(const Destination& destination, absl::string_view name) {
  if (absl::StartsWith(name, "*.")) name.remove_prefix(1);
  if (name[0] == '.') return absl::EndsWith(destination.host, name);
  return destination.host == name ||
         absl::EndsWith(destination.host, absl::StrCat(".", name));
}

bool Matches(const Destination& destination, const std::string& text) {
  if (text == "*") return true;
  if (const auto is_inside = IsInNetwork(destination, text)) return *is_inside;
  const Entry entry = SplitEntry(text);
  if (entry.host.empty()) return false;
  if (!entry.port.empty() && entry.port != destination.port) return false;
  if (const auto address = ParseAddress(entry.host)) {
    return destination.address.has_value() &&
           destination.address->bytes == address->bytes;
  }
  return IsNamed(destination, entry.host);
}

}  // namespace

bool IsExempt(const std::string& url, absl::string_view no_proxy) {
  const HostPort host_port = HostPortOf(url);
  absl::string_view host = host_port.host;
  if (host.empty()) return true;
  absl::ConsumePrefix(&host, "[");
  absl::ConsumeSuffix(&host, "]");
  Destination destination = {.host = absl::AsciiStrToLower(host),
                             .port = host_port.port,
                             .address = {}};
  destination.address = ParseAddress(destination.host);
  if (destination.host == "localhost" ||
      (destination.address.has_value() &&
       IsLoopback(destination.address->bytes))) {
    return true;
  }
  for (const absl::string_view each : absl::StrSplit(no_proxy, ',')) {
    const std::string entry =
        absl::AsciiStrToLower(absl::StripAsciiWhitespace(each));
    if (!entry.empty() && Matches(destination, entry)) return true;
  }
  return false;
}

}  // namespace oneagent
