#include "cache/index/layout.h"
