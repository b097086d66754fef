#include "cache/conf/process_conf.h"
