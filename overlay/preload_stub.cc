// The shared library that stands in an empty volume where the agent's would be:
// nothing at all, but of the right format. Without it the loader writes an
// error to stderr in each process of a pod whose LD_PRELOAD names the agent.
//
// One file serves one architecture: to a 32-bit program on a 64-bit node it is
// of the wrong ELF class, glibc's loader says so on stderr and goes on, as it
// would with the agent's own 64-bit library; musl's ignores it without a word.
