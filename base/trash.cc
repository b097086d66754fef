#include "base/trash.h"
