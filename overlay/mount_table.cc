#include "overlay/mount_table.h"
