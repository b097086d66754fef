#include "cache/index/rows.h"
