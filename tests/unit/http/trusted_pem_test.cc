#include "cache/http/trusted_pem.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/self_signed.h"

namespace oneagent {
namespace {

using testing::HasSubstr;
using testing::Not;

class TrustedPemTest : public testing::Test {
 protected:
  void ExpectBoth(const std::string& text) {
    const TrustedPem read = ReadTrustedPem(text);
    EXPECT_EQ(read.pem, one_ + two_) << text;
    EXPECT_EQ(read.left_out, "");
  }

  const std::string one_ = MakeSelfSigned().pem;
  const std::string two_ = MakeSelfSigned().pem;
};

TEST_F(TrustedPemTest, TakesWhatPeoplePaste) {
  const std::string both = one_ + two_;
  ExpectBoth(both);
  ExpectBoth("\xef\xbb\xbf" + both);
  ExpectBoth(absl::StrReplaceAll(both, {{"\n", "\r\n"}}));
  ExpectBoth(absl::StrReplaceAll(both, {{"\n", "\n    "}}));
  ExpectBoth(absl::StrReplaceAll(both, {{"\n", " "}}));
  ExpectBoth(absl::StrReplaceAll(
      both, {{"-----END CERTIFICATE-----\n", "-----END CERTIFICATE-----"}}));
  ExpectBoth(absl::StrCat("subject=CN = one\n", one_, "\n# and\n", two_, "."));
  ExpectBoth(
      absl::StrReplaceAll(both, {{" CERTIFICATE-", " X509 CERTIFICATE-"}}));
}

TEST_F(TrustedPemTest, OfATrustedCertificateTheCertificateIsTaken) {
  // What openssl x509 -trustout appends: CertAux { trust { serverAuth } }.
  const size_t start = one_.find('\n');
  const std::string base64 = one_.substr(start, one_.find("-----END") - start);
  std::string der;
  ASSERT_TRUE(absl::Base64Unescape(base64, &der));
  der += std::string("\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01",
                     14);
  const TrustedPem read = ReadTrustedPem(absl::StrCat(
      "-----BEGIN TRUSTED CERTIFICATE-----\n", absl::Base64Escape(der),
      "\n-----END TRUSTED CERTIFICATE-----\n"));
  EXPECT_EQ(read.pem, one_);
  EXPECT_EQ(read.left_out, "");
}

TEST_F(TrustedPemTest, OneBrokenBlockDoesNotCostTheOthers) {
  const TrustedPem read = ReadTrustedPem(absl::StrCat(
      one_,
      "-----BEGIN CERTIFICATE-----\n!SECRET!\n-----END CERTIFICATE-----\n"
      "-----BEGIN CERTIFICATE-----\nU0VDUkVU\n-----END CERTIFICATE-----\n"
      "-----BEGIN PRIVATE KEY-----\nU0VDUkVU\n-----END PRIVATE KEY-----\n"
      "-----BEGIN CERTIFICATE-----\nU0VDUkVU\n",
      two_));
  EXPECT_EQ(read.pem, one_ + two_);
  EXPECT_EQ(read.left_out,
            "block 2 is not base64, block 3 holds no X.509 certificate, "
            "block 4 is no CERTIFICATE but \"PRIVATE KEY\", "
            "block 5 has no END mark");
}

TEST_F(TrustedPemTest, NothingUsableSaysWhy) {
  for (const std::string text :
       {"", "SECRET", "-----BEGIN ", "-----BEGIN CERTIFICATE-----"}) {
    const TrustedPem read = ReadTrustedPem(text);
    EXPECT_EQ(read.pem, "") << text;
    EXPECT_NE(read.left_out, "") << text;
    EXPECT_THAT(read.left_out, Not(HasSubstr("SECRET")));
  }
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "-----BEGIN CERTIFICATE-----\n";
  EXPECT_LT(ReadTrustedPem(many).left_out.size(), 300u);
}

}  // namespace
}  // namespace oneagent
