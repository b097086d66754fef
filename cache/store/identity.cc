#include "cache/store/identity.h"
