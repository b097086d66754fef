#include "cache/index/records.h"
