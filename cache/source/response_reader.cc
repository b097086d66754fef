#include "cache/source/response_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "cache/http/http_header.h"

namespace oneagent {
namespace {

constexpr int64_t kMaxRefusalBody = 1 << 20;
constexpr size_t kMaxHeaderBytes = 64 << 10;

bool IsSuccess(int status) { return status >= 200 && status < 300; }

}  // namespace

bool ResponseReader::OnHeaderLine(absl::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    return Check(absl::ResourceExhaustedError(absl::StrCat(
        "response header larger than ", kMaxHeaderBytes, " bytes")));
  }
  const absl::string_view text = absl::StripAsciiWhitespace(line);
  const bool is_status = absl::StartsWith(text, "HTTP/");
  // libcurl answers a proxy's 407 by itself; what follows is the next response.
  const bool is_next = in_body_ && is_status && status_ == 407;
  if (in_body_ && !is_next) return true;  // a trailer; none of them counts
  if (is_status) {
    in_body_ = false;
    body_.clear();
    headers_.clear();
    const size_t blank = text.find(' ');
    status_ = 0;
    if (blank != absl::string_view::npos) {
      (void)absl::SimpleAtoi(text.substr(blank + 1, 3), &status_);
    }
    return true;
  }
  if (text.empty()) return status_ < 200 || OnHeadersComplete();
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos) return true;
  headers_[absl::AsciiStrToLower(text.substr(0, colon))] =
      std::string(absl::StripAsciiWhitespace(text.substr(colon + 1)));
  return true;
}

bool ResponseReader::OnHeadersComplete() {
  in_body_ = true;
  if (file_ != nullptr && IsSuccess(status_)) {
    return status_ == 206 ? ContinueFile() : BeginFile();
  }
  if (status_ == 416 && resumed_) return CheckNothingIsLeft();
  body_limit_ = IsSuccess(status_) ? request_.max_bytes : kMaxRefusalBody;
  if (IsSuccess(status_) && ContentLength() > body_limit_) return TooLarge();
  return true;
}

// A page is read as a refusal is: for its words.
void ResponseReader::KeepInMemory() {
  is_page_ = true;
  to_file_ = false;
  body_limit_ = kMaxRefusalBody;
}

bool ResponseReader::BeginFile() {
  if (IsPageType(Header("content-type"))) {
    KeepInMemory();
    return true;
  }
  const int64_t length = ContentLength();
  if (length > request_.max_bytes) return TooLarge();
  // An ETag of encoded bytes says nothing about those in the file.
  const absl::string_view etag =
      IsEncoded() ? absl::string_view() : Header("etag");
  if (!Check(file_->Restart(etag))) return false;
  to_file_ = true;
  total_ = std::max<int64_t>(0, length);
  ReportProgress();
  return true;
}

bool ResponseReader::ContinueFile() {
  if (!resumed_) {
    return Check(absl::UnavailableError("a part that was not asked for"));
  }
  const auto range = ParseContentRange(Header("content-range"));
  const absl::string_view etag = StrongETag(Header("etag"));
  const bool other =
      !etag.empty() && !file_->etag().empty() && etag != file_->etag();
  if (!range.has_value() || range->first != file_->size() || other ||
      IsEncoded()) {
    return Stop(Verdict::kUnusableRange);
  }
  to_file_ = true;
  total_ = std::max<int64_t>(0, range->total);
  if (total_ > request_.max_bytes) return TooLarge();
  if (!Check(file_->Resume())) return false;
  ReportProgress();
  return true;
}

// 416: the file is complete already if the server means this very content.
bool ResponseReader::CheckNothingIsLeft() {
  const auto range = ParseContentRange(Header("content-range"));
  const absl::string_view etag = StrongETag(Header("etag"));
  const bool same =
      !file_->etag().empty() && (etag.empty() || etag == file_->etag());
  if (!range.has_value() || range->total != file_->size() || !same) {
    return Stop(Verdict::kUnusableRange);
  }
  to_file_ = true;
  total_ = range->total;
  if (!Check(file_->Resume())) return false;
  ReportProgress();
  return true;
}

bool ResponseReader::OnBody(absl::string_view bytes) {
  const int64_t size = static_cast<int64_t>(bytes.size());
  // No archive begins like this, whatever its Content-Type says.
  if (to_file_ && file_->size() == 0 && absl::StartsWith(bytes, "<")) {
    KeepInMemory();
  }
  if (to_file_) {
    if (status_ == 416) return true;  // some page about it
    if (size > request_.max_bytes - file_->size()) return TooLarge();
    if (!Check(file_->Append(bytes))) return false;
    ReportProgress();
    return true;
  }
  const int64_t room = body_limit_ - static_cast<int64_t>(body_.size());
  if (size > room && IsSuccess(status_) && !is_page_) return TooLarge();
  body_.append(bytes.data(), static_cast<size_t>(std::min(size, room)));
  return size <= room || Stop(Verdict::kEnough);
}

absl::StatusOr<FetchResult> ResponseReader::Finish() {
  FetchResult result;
  result.http_status = status_;
  const std::string result_type(Header("content-type"));
  result.headers = std::move(headers_);
  if (!to_file_) {
    result.is_page = is_page_ || IsPageType(result_type) ||
                     absl::StartsWith(absl::StripAsciiWhitespace(body_), "<");
    result.bytes = static_cast<int64_t>(body_.size());
    result.sha256 = Sha256Hex(body_);
    result.body = std::move(body_);
    return result;
  }
  if (total_ > 0 && file_->size() != total_) {
    return absl::UnavailableError(absl::StrCat("cut off after ", file_->size(),
                                               " of ", total_, " bytes"));
  }
  result.http_status = 200;
  result.bytes = file_->size();
  result.sha256 = file_->HexDigest();
  return result;
}

bool ResponseReader::Stop(Verdict verdict) {
  verdict_ = verdict;
  return false;
}

bool ResponseReader::Check(absl::Status status) {
  if (status.ok()) return true;
  failure_ = std::move(status);
  return Stop(Verdict::kFailed);
}

bool ResponseReader::TooLarge() {
  // What is there can never become complete: it need not fill the disk.
  if (to_file_ && !Check(file_->Restart(""))) return false;
  return Check(absl::ResourceExhaustedError(
      absl::StrCat("larger than ", request_.max_bytes, " bytes")));
}

void ResponseReader::ReportProgress() const {
  if (request_.progress) request_.progress(file_->size(), total_);
}

absl::string_view ResponseReader::Header(const std::string& name) const {
  const auto found = headers_.find(name);
  return found == headers_.end() ? absl::string_view() : found->second;
}

bool ResponseReader::IsEncoded() const {
  const absl::string_view encoding = Header("content-encoding");
  return !encoding.empty() && !absl::EqualsIgnoreCase(encoding, "identity");
}

int64_t ResponseReader::ContentLength() const {
  if (IsEncoded()) return -1;
  int64_t length = -1;
  return absl::SimpleAtoi(Header("content-length"), &length) ? length : -1;
}

}  // namespace oneagent
