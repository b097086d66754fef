#include "cache/index/index.h"
