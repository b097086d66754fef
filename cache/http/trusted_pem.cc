#include "cache/http/trusted_pem.h"

#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/text.h"

namespace oneagent {
namespace {

constexpr absl::string_view kBegin = "-----BEGIN ";
constexpr absl::string_view kEnd = "-----END ";
constexpr absl::string_view kDashes = "-----";
constexpr size_t kLongestLabel = 40;
constexpr size_t kMostNamed = 5;

struct Block {
  absl::string_view label;
  absl::string_view body;
  bool has_end = false;
};

// Consumes the next block of `text`; false when there is none.
bool TakeBlock(absl::string_view& text, Block& block) {
  const size_t begin = text.find(kBegin);
  if (begin == absl::string_view::npos) return false;
  text.remove_prefix(begin + kBegin.size());
  const size_t label_size = text.find(kDashes);
  block = {.label = text.substr(0, label_size), .body = {}};
  if (label_size == absl::string_view::npos) {
    text = {};
    return true;
  }
  text.remove_prefix(label_size + kDashes.size());
  const size_t end = text.find(kEnd);
  const size_t next = text.find(kBegin);
  block.has_end = end < next;
  block.body = text.substr(0, std::min(end, next));
  text.remove_prefix(block.body.size());
  if (block.has_end) text.remove_prefix(kEnd.size());
  return true;
}

// The certificate alone, in DER.
absl::StatusOr<std::string> CertificateOf(const Block& block) {
  if (block.label != "CERTIFICATE" && block.label != "X509 CERTIFICATE" &&
      block.label != "TRUSTED CERTIFICATE") {
    return absl::InvalidArgumentError(
        absl::StrCat("is no CERTIFICATE but \"",
                     ShownText(block.label, kLongestLabel), "\""));
  }
  if (!block.has_end) return absl::InvalidArgumentError("has no END mark");
  std::string base64;
  for (const char c : block.body) {
    if (!absl::ascii_isspace(static_cast<unsigned char>(c))) {
      base64.push_back(c);
    }
  }
  std::string der;
  if (!absl::Base64Unescape(base64, &der)) {
    return absl::InvalidArgumentError("is not base64");
  }
  const auto* const start = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* at = start;
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      d2i_X509(nullptr, &at, static_cast<long>(der.size())), &X509_free);
  if (certificate == nullptr) {
    return absl::InvalidArgumentError("holds no X.509 certificate");
  }
  // What follows says what it is trusted for.
  der.resize(static_cast<size_t>(at - start));
  return der;
}

std::string PemOf(absl::string_view der) {
  constexpr size_t kLine = 64;
  const std::string base64 = absl::Base64Escape(der);
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (size_t at = 0; at < base64.size(); at += kLine) {
    absl::StrAppend(&pem, base64.substr(at, kLine), "\n");
  }
  return absl::StrCat(pem, "-----END CERTIFICATE-----\n");
}

}  // namespace

TrustedPem ReadTrustedPem(absl::string_view text) {
  TrustedPem result;
  std::vector<std::string> causes;
  size_t number = 0;
  for (Block block; TakeBlock(text, block);) {
    ++number;
    const absl::StatusOr<std::string> der = CertificateOf(block);
    if (der.ok()) {
      result.pem += PemOf(*der);
    } else {
      causes.push_back(
          absl::StrCat("block ", number, " ", der.status().message()));
    }
  }
  if (number == 0) causes.emplace_back("no BEGIN CERTIFICATE in it");
  const size_t more =
      causes.size() > kMostNamed ? causes.size() - kMostNamed : 0;
  causes.resize(causes.size() - more);
  result.left_out = absl::StrJoin(causes, ", ");
  if (more > 0) absl::StrAppend(&result.left_out, " and ", more, " more");
  return result;
}

}  // namespace oneagent
