#include "cache/store/unpack.h"
