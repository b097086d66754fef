#include "cache/source/curl_fetcher.h"
