#include "cache/store/store.h"
