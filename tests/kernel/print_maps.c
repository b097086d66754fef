// Writes its own memory map: which libraries the loader gave it.
#include <stdio.h>

int main(void) {
  char buffer[65536];
  FILE* maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) return 1;
  const size_t size = fread(buffer, 1, sizeof(buffer), maps);
  return fwrite(buffer, 1, size, stdout) == size ? 0 : 1;
}
