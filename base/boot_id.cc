#include "base/boot_id.h"
