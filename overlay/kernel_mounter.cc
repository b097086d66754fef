#include "overlay/kernel_mounter.h"
